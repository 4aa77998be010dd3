//! Recorded outputs of the tools, in `outputs/TOOL/`, and what is read from them, in `snapshots/`.

use isotare_import::{FileRead, Run, Status, read, tools};
use std::fs;
use std::path::{Path, PathBuf};

/// Every recorded file with its bytes: `TOOL/FILE`.
fn outputs() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outputs");
    let entries = |dir: &Path| -> Vec<PathBuf> {
        let list = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut list: Vec<PathBuf> = list.collect();
        list.sort();
        list
    };
    let folders = entries(&root).into_iter().filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| entries(&folder)).map(|file| {
        let name = file.strip_prefix(&root).expect("below it").display().to_string();
        (name, fs::read(&file).expect("a file"))
    });
    files.collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').to_owned()
}

/// Tools that print rows until they are stopped. With fewer rows the run is shorter, and its means are
/// different.
fn is_series(name: &str) -> bool {
    ["pidstat", "sar", "sadf", "mpstat", "iostat", "vmstat", "top"].iter().any(|tool| name.starts_with(tool))
}

/// Terse fio: each line is a whole job. If the lines of two runs are mixed, each line is still a correct job.
fn is_whole_lines(name: &str) -> bool {
    name.starts_with("fio/") && name.contains("-terse-")
}

/// Outputs without an end mark, so that a cut between two rows cannot be seen. For perf -x, -j and -I the
/// result then has fewer counters or intervals. For fio's --status-interval the last report is then an
/// earlier one.
fn has_no_end(name: &str) -> bool {
    (name.starts_with("perf/") && (name.contains("-rows-") || name.contains("-intervals")))
        || (name.starts_with("fio/") && name.contains("-status-interval"))
}

/// ab with `-d` prints no percentiles. A report that is cut just before the percentiles looks the same, and
/// its other numbers are correct.
fn is_part(name: &str, run: &(Status, Vec<String>), whole: &(Status, Vec<String>)) -> bool {
    name.starts_with("ab/") && run.0 == whole.0 && run.1.iter().all(|metric| whole.1.contains(metric))
}

#[test]
fn what_is_read_equals_the_reviewed_snapshot() {
    for (name, bytes) in outputs() {
        let found = read(&name, &bytes, None);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_json_snapshot!(name.replace('/', "--"), found);
        });
    }
}

#[test]
fn every_file_is_recognised_as_output_of_its_tool() {
    for (name, bytes) in outputs() {
        let tool = read(&name, &bytes, None).tool;
        assert_eq!(tool, name.split_once('/').map(|(tool, _)| tool), "{name}");
    }
}

/// The status and the numbers of each run. Line numbers are left out, because some tests move the lines.
fn numbers(found: &FileRead) -> Vec<(Status, Vec<String>)> {
    let of_run = |run: &Run| {
        let metrics =
            run.metrics.iter().map(|metric| format!("{} {} {}", metric.name, metric.value, metric.unit));
        (run.status, metrics.collect())
    };
    found.runs.iter().map(of_run).collect()
}

#[test]
fn text_around_an_output_changes_nothing() {
    for (name, bytes) in outputs() {
        let expect = numbers(&read(&name, &bytes, None));
        let text = text(&bytes).replace("\r\n", "\n");
        let utf16 = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let forms: [(&str, Vec<u8>); 4] = [
            ("a mark and carriage returns", format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes()),
            ("a message before", format!("warning: the clock is not synchronised\n\n{text}").into_bytes()),
            ("colours", text.replace('\n', "\x1b[0m\n").into_bytes()),
            ("UTF-16", utf16),
        ];
        for (what, form) in forms {
            assert_eq!(numbers(&read(&name, &form, None)), expect, "{name} with {what}");
        }
    }
}

#[test]
fn two_outputs_in_a_row_are_read_and_mixed_lines_are_not() {
    for (name, bytes) in outputs() {
        let text = text(&bytes);
        let whole = if text.ends_with('\n') { text } else { format!("{text}\n") };
        let once = read(&name, &bytes, None);
        let twice = read(&name, format!("{whole}{whole}").as_bytes(), None);
        if once.incomplete + once.unreadable == 0 {
            assert_eq!(twice.complete, 2 * once.complete, "{name} twice");
        }
        if whole.lines().count() > 1 && !is_whole_lines(&name) {
            let mixed: String = whole.lines().flat_map(|line| [line, "\n", line, "\n"]).collect();
            let found = read(&name, mixed.as_bytes(), None);
            assert_eq!(found.complete, 0, "{name} mixed with itself: {:?}", found.runs.first());
        }
    }
}

#[test]
fn cutting_a_file_adds_no_new_number() {
    for (name, bytes) in outputs() {
        let whole = read(&name, &bytes, None);
        let all = numbers(&whole);
        let text = text(&bytes);
        let step = (text.len() / 200).max(1);
        for end in (0..text.len()).step_by(step).filter(|&end| text.is_char_boundary(end)) {
            let cut = read(&name, &text.as_bytes()[..end], whole.tool.and_then(tools::find));
            // In these cases a part of a text has more complete runs than the whole text. A series that is
            // cut or mixed is not complete, but the part before the damage may be. With iostat's -z, a device
            // that becomes idle later occurs only in the first report, since boot, which is left out of
            // longer texts.
            let more_before =
                (is_series(&name) || has_no_end(&name)) && (whole.complete == 0 || name.contains("-z."));
            assert!(cut.complete <= whole.complete || more_before, "{name} cut at {end}");
            for run in numbers(&cut)
                .into_iter()
                .filter(|run| run.0 == Status::Complete && !is_series(&name) && !has_no_end(&name))
            {
                let is_known = all.iter().any(|whole| *whole == run || is_part(&name, &run, whole));
                assert!(is_known, "{name} cut at {end}: {run:?}");
            }
        }
    }
}

/// Separators of thousands. The point is not among them: only tools that print numbers in the form of the
/// locale use it. For perf it has tests of its own, and monitors refuse numbers with three decimals.
const SEPARATORS: [&str; 5] = [" ", "\u{a0}", "\u{202f}", "\u{2019}", ","];

/// The places of whole numbers with four or more digits between blanks, brackets and the like.
fn long_numbers(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = (at..).take_while(|&next| is_digit(next)).count();
        let begins = at == 0 || matches!(bytes[at - 1], b' ' | b'\t' | b'\n' | b'(' | b'=' | b':');
        let ends = !bytes
            .get(at + length)
            .is_some_and(|&byte| byte.is_ascii_alphabetic() || matches!(byte, b':' | b'-' | b'/'));
        if length > 3 && begins && ends {
            found.push((at, length));
        }
        at += length.max(1);
    }
    found
}

/// The text with these numbers in groups of three.
fn grouped(text: &str, numbers: &[(usize, usize)], mark: &str) -> String {
    let mut whole = text.to_owned();
    for &(at, length) in numbers.iter().rev() {
        for place in (1..length).rev().filter(|place| (length - place) % 3 == 0) {
            whole.insert_str(at + place, mark);
        }
    }
    whole
}

/// A number is read with its correct value, or not at all.
#[test]
fn separators_of_thousands_do_not_change_a_number() {
    let mut wrong = Vec::new();
    for (name, bytes) in outputs() {
        // Tools put no separators into output for programs.
        let is_for_programs =
            [".json", ".jsonl", ".csv", ".yaml", ".md"].iter().any(|end| name.ends_with(end))
                || ["sadf/", "openssl/"].iter().any(|begin| name.starts_with(begin))
                || ["terse", "rows", "json", "-raw", "csv"].iter().any(|word| name.contains(word));
        // The numbers of its requests show that some requests are missing.
        if is_for_programs || name.starts_with("ioping/1.3-every-three") {
            continue;
        }
        let text = text(&bytes);
        let whole = read(&name, &bytes, None);
        let known: Vec<String> = numbers(&whole).into_iter().flat_map(|run| run.1).collect();
        let places = long_numbers(&text);
        let one_by_one = places.chunks(1).take(if text.len() < 4000 { 12 } else { 0 });
        for numbers_there in one_by_one.chain([places.as_slice()]) {
            for mark in SEPARATORS {
                let form = grouped(&text, numbers_there, mark);
                let found = read(&name, form.as_bytes(), whole.tool.and_then(tools::find));
                for metric in numbers(&found).into_iter().flat_map(|run| run.1) {
                    if !known.contains(&metric) {
                        wrong.push(format!("{name} with {mark:?}: {metric}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// From a bug report: an array of documents was reported as containing no run.
#[test]
fn the_runs_of_documents_in_an_array_are_found() {
    let mut arrays = 0;
    for (name, bytes) in outputs() {
        let Ok(document) = serde_json::from_slice::<serde_json::Value>(&bytes) else { continue };
        let once = numbers(&read(&name, &bytes, None));
        let array = serde_json::Value::Array(vec![document.clone(), document]);
        let [short, pretty] =
            [serde_json::to_string(&array), serde_json::to_string_pretty(&array)].map(Result::unwrap);
        for text in [short, pretty] {
            let found = read(&name, text.as_bytes(), None);
            assert_eq!(found.tool, name.split_once('/').map(|(tool, _)| tool), "{name}");
            assert_eq!(numbers(&found), [once.clone(), once.clone()].concat(), "{name}");
        }
        arrays += 1;
    }
    assert!(arrays > 20, "{arrays}");
}

#[test]
fn every_tool_has_outputs_a_fuzz_target_and_a_row_in_the_docs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |file: &str| fs::read_to_string(root.join("../..").join(file)).expect(file);
    let (docs, targets) = (text("docs/import.md"), text("fuzz/Cargo.toml"));
    for tool in tools::TOOLS {
        let name = tool.name;
        assert!(root.join("tests/outputs").join(name).is_dir(), "{name} has no recorded output");
        assert!(docs.contains(&format!("\n| `{name}` |")), "{name} is not in docs/import.md");
        assert!(targets.contains(&format!("\nname = \"{name}\"\n")), "{name} has no fuzz target");
    }
}

/// Texts that fuzzing found. They are kept in `odd/`.
#[test]
fn no_decoder_panics_on_odd_texts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd");
    for entry in fs::read_dir(root).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        for tool in tools::TOOLS.iter().copied().map(Some).chain([None]) {
            let found = read("odd", &bytes, tool);
            assert_eq!(
                found.complete + found.incomplete + found.unreadable,
                found.runs.len(),
                "{}",
                path.display()
            );
        }
    }
}
