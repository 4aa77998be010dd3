//! Tests of what a report shows about the output of workloads.

mod fixture;

use fixture::Fixture;
use isotare_core::{Captured, SessionEnd, Streams};
use isotare_report::{Format, Options, analyse, render};

#[test]
fn cut_output_is_reported_and_every_stream_has_its_size_and_hash() {
    let (mut session, mut trials) = Fixture::default().build();
    let whole = analyse(&session, &trials, Some(SessionEnd::Complete));
    assert_eq!(whole.cut_output, None, "nothing was cut");
    let streams = Streams { stdout: Captured::of(&vec![b'x'; 12 << 20]), stderr: Captured::of(b"few words") };
    trials[1].output = Some(streams.clone());
    trials[2].output = None;
    let report = analyse(&session, &trials, Some(SessionEnd::Complete));
    let cut = report.cut_output.as_ref().expect("cut");
    assert_eq!((cut.trials, cut.bytes), (1, (12 << 20) - 2 * (64 << 10)));
    let output = report.trials[1].output.as_ref().expect("it ran");
    assert_eq!((output.stdout.bytes, output.stdout.cut), (12 << 20, cut.bytes));
    assert_eq!(
        (&output.stdout.sha256, &output.stderr.sha256),
        (&streams.stdout.sha256, &streams.stderr.sha256)
    );
    assert_eq!((output.stderr.bytes, output.stderr.cut), (9, 0));
    assert_eq!(report.trials[2].output, None);
    for format in [Format::Text, Format::Markdown, Format::Html] {
        let text = render(&report, format, &Options::default()).expect("rendered");
        assert!(
            text.split_whitespace().collect::<Vec<_>>().join(" ").contains("1 of 300 trials wrote more"),
            "{text}"
        );
    }
    session.plan.keep_output = true;
    let kept = analyse(&session, &trials, Some(SessionEnd::Complete));
    assert_eq!((kept.cut_output, kept.trials[1].output.as_ref().expect("it ran").stdout.cut), (None, 0));
}
