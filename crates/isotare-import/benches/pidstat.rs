//! What reading a long output of pidstat costs: `cargo bench -p isotare-import --bench pidstat`. The text is
//! a recorded one, repeated with other times to a million rows. `pidstat.py` beside this does the same in
//! Python, on the file that is named at the end.

use isotare_import::{Status, read};
use std::fmt::Write;
use std::time::{Duration, Instant};

const ROWS: usize = 1_000_000;
const RECORDED: &str = include_str!("../tests/outputs/pidstat/12.6.1-all.txt");

fn main() {
    for rows in [ROWS / 4, ROWS / 2, ROWS] {
        let text = repeated(RECORDED, rows);
        let mut times: Vec<Duration> = Vec::new();
        let mut runs = 0;
        for _ in 0..5 {
            let start = Instant::now();
            let found = read("pidstat.txt", text.as_bytes(), None);
            times.push(start.elapsed());
            assert!(found.runs.iter().all(|run| run.status == Status::Complete), "{:?}", found.runs.first());
            runs = found.runs.len();
        }
        times.sort();
        tell(rows, text.len(), runs, &times);
        if rows == ROWS {
            let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pidstat.txt");
            std::fs::write(&path, text).expect("written");
            name(&path);
        }
    }
}

/// Repeats the reports of a recorded text, with one second between them, from midnight on.
fn repeated(recorded: &str, rows: usize) -> String {
    let mut blocks = recorded.split("\n\n").skip(1).filter(|block| !block.starts_with("Average")).cycle();
    let mut text = recorded.lines().next().map(|banner| format!("{banner}\n")).expect("a banner");
    let (mut second, mut written) = (0, 0);
    while written < rows {
        let block = blocks.next().expect("a report");
        text.push('\n');
        for (at, line) in block.lines().enumerate().take(rows - written + 1) {
            let (_, rest) = line.split_once(' ').expect("a time");
            let time = second + u32::from(at > 0);
            writeln!(text, "{:02}:{:02}:{:02} {rest}", time / 3600 % 24, time / 60 % 60, time % 60)
                .expect("written");
            written += usize::from(at > 0);
        }
        second += 1;
    }
    text
}

#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn tell(rows: usize, bytes: usize, runs: usize, times: &[Duration]) {
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{rows:8} rows, {megabytes:.1} MB, {runs} runs: fastest {:.1?}, median {:.1?}",
        times[0], times[2]
    );
}

#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn name(path: &std::path::Path) {
    println!("the text is in {}", path.display());
}
