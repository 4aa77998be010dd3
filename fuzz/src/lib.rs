//! One fuzz target for each decoder of another tool's output, and for each format that others may have prepared: `cargo fuzz run TARGET`.

pub mod elf;
pub mod experiment;
pub mod frames;
pub mod image;
pub mod kernel;

/// A target that feeds any bytes to the decoder of this tool, and to whatever recognises them.
#[macro_export]
macro_rules! decoder {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::check($name, bytes));
    };
}

/// What holds for any bytes: no panic, counts that add up, no number but from a complete run, and none that is no number.
pub fn check(name: &str, bytes: &[u8]) {
    let tool = isotare_import::tools::find(name).expect("a decoder of this name");
    for tool in [Some(tool), None] {
        let found = isotare_import::read("input", bytes, tool);
        assert_eq!(found.complete + found.incomplete + found.unreadable, found.runs.len());
        for run in &found.runs {
            assert_eq!(run.metrics.is_empty(), run.status != isotare_import::Status::Complete, "{run:?}");
            assert!(run.metrics.iter().all(|metric| metric.value.is_finite()), "{run:?}");
        }
    }
}
