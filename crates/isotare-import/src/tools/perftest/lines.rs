//! What single lines of PerfTest say.

use crate::tools::report::{first_number, number};

/// What a line says.
#[derive(Debug, PartialEq)]
pub enum Said<'a> {
    /// A producer or consumer and its channel, as `producer #0, channel #0`.
    Starting(&'a str),
    /// The columns of the compact form.
    Header(&'a str),
    /// What was up to this second.
    Interval(f64, &'a str),
    /// The mean rate over the whole run.
    Sending(&'a str),
    /// The mean rate over the whole run.
    Receiving(&'a str),
    /// Whose latency, and the rest.
    Latency(&'static str, &'a str),
}

/// The id of the test, which the compact form lacks, and what is said of it.
pub fn said(line: &str) -> Option<(&str, Said<'_>)> {
    let line = line.trim();
    let Some(rest) = line.strip_prefix("id: ") else { return Some(("", plain(line)?)) };
    // An id may contain a comma: it ends where what is known begins.
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

/// `time: 1.000s, sent: …`, `time 1.000 s, sent: …`, and the compact `1.000s   123 msg/s …` below its header.
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

/// What was not delivered in a second: `nacked: 12 msg/s`, `returned: 3 msg/s`.
pub fn lost(rest: &str) -> Option<String> {
    let part =
        |word: &str| rest.split(", ").find(|part| part.strip_prefix(word).and_then(first_number) > Some(0.0));
    part("nacked: ").or_else(|| part("returned: ")).map(str::to_owned)
}

/// Whether an id is the one of `test-093113-321`: an hour, a minute, a second, and milliseconds.
pub fn made_up(id: &str) -> bool {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = id.strip_prefix("test-").and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(time, rest)| digits(time, 6) && digits(rest, 3))
}
