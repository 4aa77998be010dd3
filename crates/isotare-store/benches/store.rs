//! Measures how long recording a trial and loading a session take: `cargo bench -p isotare-store`.

#[path = "../tests/support/mod.rs"]
mod support;

use isotare_core::SessionEnd;
use isotare_store::Store;
use std::time::{Duration, Instant};
use support::{session, trial};

fn main() {
    // The folder is in the target folder, because the temporary folder may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("folder");
    for readings in [0, 50, 100, 1000] {
        let path = folder.path().join(format!("{readings}.db"));
        let mut store = Store::open(&path).expect("opens");
        store.begin(&session("a", "1")).expect("begins");
        let trials: Vec<_> = (0..1000).map(|index| trial(index, readings)).collect();
        let mut times: Vec<Duration> = trials
            .iter()
            .map(|trial| {
                let start = Instant::now();
                store.record("a", trial).expect("recorded");
                start.elapsed()
            })
            .collect();
        store.finish("a", SessionEnd::Complete).expect("finishes");
        times.sort();
        let bytes = std::fs::metadata(&path).expect("size").len() / 1000;
        let start = Instant::now();
        let loaded = store.load("last").expect("loads");
        let load = start.elapsed();
        assert_eq!(loaded.trials, trials);
        let start = Instant::now();
        store.sessions().expect("lists");
        let list = start.elapsed();
        tell(readings, &times, load, list, bytes);
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's report")]
fn tell(readings: u64, times: &[Duration], load: Duration, list: Duration, bytes: u64) {
    println!(
        "{readings:5} readings: record() median {:?}, p99 {:?}, max {:?}; load of 1000 trials {load:.1?}; list {list:.1?}; \
         {bytes} B a trial",
        times[500], times[990], times[999],
    );
}
