//! The content of single lines of PerfTest.

use crate::tools::report::{first_number, number};

/// The content of a line.
#[derive(Debug, PartialEq)]
pub enum Said<'a> {
    /// The start of a producer or consumer and its channel: `producer #0, channel #0`.
    Starting(&'a str),
    /// The columns of the compact format.
    Header(&'a str),
    /// The end of an interval in seconds, and its values.
    Interval(f64, &'a str),
    /// The mean rate of sending over the whole run.
    Sending(&'a str),
    /// The mean rate of receiving over the whole run.
    Receiving(&'a str),
    /// Whose latency it is, and the values.
    Latency(&'static str, &'a str),
}

/// The id of the test and the rest of the line. In the compact format the id is empty.
pub fn said(line: &str) -> Option<(&str, Said<'_>)> {
    let line = line.trim();
    let Some(rest) = line.strip_prefix("id: ") else { return Some(("", plain(line)?)) };
    // An id may contain a comma. It ends where a known text begins.
    let ends = rest.match_indices(", ").take(8);
    ends.filter_map(|(at, _)| Some((rest.get(..at)?, plain(rest.get(at + 2..)?)?))).next()
}

fn plain(text: &str) -> Option<Said<'_>> {
    let after = |word| text.strip_prefix(word);
    if let Some(what) = after("starting ").filter(|what| what.contains('#')) {
        return Some(Said::Starting(what));
    }
    if let Some(rate) = after("sending rate avg: ") {
        return Some(Said::Sending(rate));
    }
    if let Some(rate) = after("receiving rate avg: ") {
        return Some(Said::Receiving(rate));
    }
    if let Some(rest) = after("consumer latency min/") {
        return Some(Said::Latency("consumer", rest));
    }
    if let Some(rest) = after("confirm latency min/") {
        return Some(Said::Latency("confirm", rest));
    }
    interval(text)
}

/// Reads `time: 1.000s, sent: …`, `time 1.000 s, sent: …`, and `1.000s   123 msg/s …` below the header of the
/// compact format.
fn interval(text: &str) -> Option<Said<'_>> {
    if let Some(rest) = text.strip_prefix("time") {
        if rest.starts_with("   ") && (rest.contains(" sent") || rest.contains(" received")) {
            return Some(Said::Header(rest));
        }
        let (seconds, rest) = rest.trim_start_matches(':').split_once("s, ")?;
        return Some(Said::Interval(number(seconds)?, rest));
    }
    let (seconds, rest) = text.split_once("s ")?;
    rest.contains(" msg/s").then_some(())?;
    Some(Said::Interval(number(seconds)?, rest))
}

/// The rate of messages that were not delivered: `nacked: 12 msg/s`, `returned: 3 msg/s`.
pub fn lost(rest: &str) -> Option<String> {
    let part =
        |word: &str| rest.split(", ").find(|part| part.strip_prefix(word).and_then(first_number) > Some(0.0));
    part("nacked: ").or_else(|| part("returned: ")).map(str::to_owned)
}

/// Whether an id was made by PerfTest: `test-093113-321`, from the hour, minute and second, and milliseconds.
pub fn made_up(id: &str) -> bool {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = id.strip_prefix("test-").and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(time, rest)| digits(time, 6) && digits(rest, 3))
}
