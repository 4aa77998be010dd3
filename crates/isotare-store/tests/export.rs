//! Tests of exported tables: texts from outside have no effect in them, and programs read them unchanged.

mod support;

use isotare_core::{Failure, Outcome, is_hidden};
use isotare_store::{ExportFormat, ExportScope, Record, export};
use support::{session, trial};

/// A formula for spreadsheets, an escape that erases the screen, and reversed text.
const EVIL: &str = "=HYPERLINK(\"x\")\u{1b}[2J\u{9b}\u{202e}\n";

fn written(format: ExportFormat) -> Vec<u8> {
    let mut failed = trial(0, 2);
    failed.outcome = Outcome::Failed;
    failed.failure = Some(Failure { reason: EVIL.to_owned(), diagnostics: String::new() });
    let session = session("2026-01-01-aaaa", "2026-01-01T00:00:00Z");
    let record = Record { session, trials: vec![failed], end: None };
    let mut out = Vec::new();
    export(&[record], format, ExportScope { readings: true }, &mut out).expect("written");
    out
}

#[test]
fn a_reason_from_an_instance_is_plain_text_in_every_format() {
    let csv = String::from_utf8(written(ExportFormat::Csv)).expect("text");
    assert!(csv.starts_with("session,trial,block,environment,"), "{csv}");
    assert!(csv.contains(",\"'=HYPERLINK(\"\"x\"\")\\x1b[2J\\u{9b}\\u{202e}\\n\","), "{csv}");
    assert!(!csv.contains(is_hidden) && !csv.contains(",\"="), "{csv}");

    let json = String::from_utf8(written(ExportFormat::Json)).expect("text");
    assert!(!json.contains(is_hidden), "{json}");
    let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(read[0]["rows"][0]["reason"], EVIL);

    let parquet = written(ExportFormat::Parquet);
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
}
