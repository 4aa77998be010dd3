//! `PerfTest` of RabbitMQ.
//!
//! Every line begins with `id: TEST, `. In the compact format of 2.19 and later, only the lines before its
//! header do. A run begins with `starting producer #0`. One line for each second follows (`time: 1.000s,
//! sent: …` up to 2.18, `time 1.000 s, sent: …` later). It ends with `sending rate avg:` and `receiving rate
//! avg:`. From 2.19 on, the latencies of the whole run follow, and from 2.24 on also their maximum
//! (`PrintlnStats.java` up to 2.18, then `metrics/BaseMetricsFormatter.java`,
//! `DefaultPrintStreamMetricsFormatter.java` and `CompactPrintStreamMetricsFormatter.java`).
//!
//! Only values of the whole run become metrics. The lines of each second show what the run measures, and
//! whether the lines of two runs are mixed. Rates of 10 and more are whole numbers.
//!
//! The recorded outputs of the tests are not from a real broker. They were written according to these source
//! files.

mod lines;

use crate::tools::Tool;
use crate::tools::report::{Fault, ascend, decimal, mixed, number, run, time, whole_lines};
use crate::{Decoded, Metric, Run};
use lines::{Said, lost, made_up, said};
use std::collections::{BTreeMap, BTreeSet};

/// PerfTest.
pub static PERFTEST: Tool =
    Tool { name: "perftest", summary: "RabbitMQ PerfTest's lines and its summary", recognises, decode };

const FAILED: &str = "Main thread caught exception: ";

fn recognises(head: &str) -> bool {
    head.lines().any(|line| match said(line) {
        Some((id, Said::Starting(_))) => !id.is_empty(),
        Some((_, Said::Interval(..))) => true,
        Some((_, Said::Sending(rate))) => rate.ends_with(" msg/s"),
        _ => line.starts_with(FAILED),
    })
}

/// A run, as far as it was read.
#[derive(Default)]
struct Open<'a> {
    line: usize,
    id: &'a str,
    started: BTreeSet<&'a str>,
    /// The last second that was read, and the values that its line or the header names.
    until: f64,
    shown: &'a str,
    /// Whether the lines are in a format whose summary has latencies.
    later: bool,
    sending: Option<&'a str>,
    receiving: Option<&'a str>,
    latencies: BTreeMap<&'static str, &'a str>,
    fault: Option<String>,
}

fn decode(text: &str) -> Decoded {
    let mut decoded = Decoded::default();
    let mut runs: Vec<Open<'_>> = Vec::new();
    let mut latest: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, line) in whole_lines(text) {
        if let Some(words) = line.strip_prefix(FAILED) {
            match runs.last_mut() {
                Some(open) if open.receiving.is_none() => open.fault = Some(words.trim().to_owned()),
                _ => decoded.runs.push(Run::unreadable(at, words.trim())),
            }
        }
        let Some((id, said)) = said(line) else { continue };
        let place = latest.get(id).copied().or_else(|| begun(id, &runs));
        let summed = place.and_then(|place| runs.get(place)).is_none_or(|open| open.receiving.is_some());
        let place = match place {
            Some(place) if !summed || matches!(said, Said::Receiving(_) | Said::Latency(..)) => place,
            _ => {
                runs.push(Open { line: at, id, ..Open::default() });
                runs.len() - 1
            }
        };
        latest.insert(id, place);
        if let Said::Interval(_, rest) = &said {
            decoded.warnings.extend(lost(rest).map(|what| format!("line {at}: {what}")));
        }
        if let Some(open) = runs.get_mut(place) {
            open.take(line, said);
        }
    }
    let read = runs.into_iter().map(Open::run);
    decoded.runs.extend(read);
    decoded.runs.sort_by_key(|run| run.line);
    decoded
}

/// The run to which a line without an id belongs. In the compact format, the lines before the header have an
/// id.
fn begun(id: &str, runs: &[Open<'_>]) -> Option<usize> {
    let waits = runs.last().is_some_and(|open| open.receiving.is_none() && open.until == 0.0);
    (id.is_empty() && waits).then(|| runs.len() - 1)
}

impl<'a> Open<'a> {
    fn take(&mut self, line: &'a str, said: Said<'a>) {
        let again = match said {
            Said::Starting(what) => !self.started.insert(what),
            Said::Header(names) => {
                self.later = true;
                !std::mem::replace(&mut self.shown, names).is_empty()
            }
            Said::Interval(seconds, rest) => {
                let goes_back = seconds <= self.until;
                self.until = seconds;
                self.later |= line.contains("time ");
                // Rows of the compact format contain no names. These are in the header.
                if rest.contains(':') {
                    self.shown = rest;
                }
                goes_back
            }
            Said::Sending(rate) => self.sending.replace(rate).is_some(),
            Said::Receiving(rate) => self.receiving.replace(rate).is_some(),
            Said::Latency(whose, rest) => self.latencies.insert(whose, rest).is_some(),
        };
        if again && self.fault.is_none() {
            self.fault = Some(format!("its lines are mixed with those of another run ({})", line.trim()));
        }
    }

    fn run(self) -> Run {
        let mut labels = BTreeMap::new();
        // An id that PerfTest made itself is the time of day, so it is different in each run.
        if !self.id.is_empty() && !made_up(self.id) {
            labels.insert("test".to_owned(), self.id.to_owned());
        }
        for (label, word) in [("producers", "producer #"), ("consumers", "consumer #")] {
            let of_kind =
                self.started.iter().filter(|what| what.starts_with(word) && !what.contains(", channel "));
            let count = of_kind.count();
            if count > 0 {
                labels.insert(label.to_owned(), count.to_string());
            }
        }
        run(self.line, labels, self.metrics())
    }

    fn metrics(self) -> Result<Vec<Metric>, Fault> {
        if let Some(why) = self.fault {
            return Err(Fault::Incomplete(why));
        }
        let cut = || Fault::incomplete("its summary is incomplete");
        let rate = |text: &str| rate(text.strip_suffix(" msg/s")?);
        let sent = self.sending.and_then(rate).ok_or_else(cut)?;
        let received = self.receiving.and_then(rate).ok_or_else(cut)?;
        if sent == 0.0 && received == 0.0 {
            return Err(Fault::unreadable("no message was sent or received"));
        }
        let shown = |word: &str| self.shown.contains(word);
        if self.later
            && ["consumer", "confirm"]
                .iter()
                .any(|whose| shown(&format!("{whose} latency")) && !self.latencies.contains_key(whose))
        {
            return Err(cut());
        }
        // If the run does not send, or does not receive, the rate is printed as zero. It is left out.
        let of = |word, name, rate| {
            (self.shown.is_empty() || shown(word)).then(|| Metric::higher(name, "1/s", rate))
        };
        let mut metrics: Vec<Metric> =
            [of("sent", "sent_per_second", sent), of("received", "received_per_second", received)]
                .into_iter()
                .flatten()
                .collect();
        for (whose, rest) in &self.latencies {
            metrics.extend(latencies(whose, rest)?);
        }
        Ok(metrics)
    }
}

/// A rate with at most two decimals, in the format of the locale (`MetricsFormatterUtils.formatRate`). Three
/// digits after a comma are thousands, which are not read.
fn rate(text: &str) -> Option<f64> {
    let has_decimals = text.split_once(',').is_none_or(|(_, digits)| digits.len() < 3);
    decimal(text).filter(|_| has_decimals)
}

/// Latencies by their names, from `median/75th/95th/99th 443/339217/382721/422546/488634 µs`. This is the
/// rest of a line after the first name, `min`.
fn latencies(whose: &str, rest: &str) -> Result<Vec<Metric>, Fault> {
    let broken = || Fault::unreadable(format!("its {whose} latencies cannot be read"));
    let mut parts = rest.split_whitespace();
    let (Some(names), Some(values), Some(unit)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(broken());
    };
    // Characters outside ASCII are printed differently, depending on the locale.
    let unit = match unit {
        "ms" => 1e3,
        "µs" | "μs" | "us" | "?s" | "\u{fffd}s" | "micro-s" | "microseconds" => 1e6,
        _ => return Err(broken()),
    };
    let names: Vec<&str> = std::iter::once("min").chain(names.split('/')).collect();
    let values: Vec<Option<f64>> =
        values.split('/').map(|value| number(value).map(|value| value / unit)).collect();
    if names.len() != values.len() || values.contains(&None) {
        return Err(broken());
    }
    if !ascend(&values) {
        return Err(mixed(format!("its {whose} latencies do not ascend")));
    }
    let name = |name: &str| match name {
        "median" => "p50".to_owned(),
        name => name.strip_suffix("th").map_or(name.to_owned(), |rank| format!("p{}", rank.replace('.', ""))),
    };
    let named = names
        .iter()
        .zip(values)
        .filter_map(|(of, value)| time(format!("{whose}_latency_{}", name(of)), value));
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    fn check(text: &str, expect: &[(Status, &[(&str, f64)])]) {
        let found = decode(text).runs;
        let found: Vec<_> = found
            .iter()
            .map(|run| {
                (
                    run.status,
                    run.metrics.iter().map(|metric| (&*metric.name, metric.value)).collect::<Vec<_>>(),
                )
            })
            .collect();
        let expect: Vec<_> = expect.iter().map(|(status, metrics)| (*status, metrics.to_vec())).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn an_older_summary_has_only_rates() {
        let text = "id: a, b, time: 1.000s, sent: 5 msg/s, received: 4 msg/s, min/median/75th/95th/99th consumer latency: \
                    1/2/3/4/5 ?s\nid: a, b, sending rate avg: 5,5 msg/s\nid: a, b, receiving rate avg: 4.5 msg/s\n";
        check(text, &[(Status::Complete, &[("sent_per_second", 5.5), ("received_per_second", 4.5)])]);
        assert_eq!(decode(text).runs[0].labels["test"], "a, b");
    }

    #[test]
    fn without_a_consumer_there_is_no_rate_of_receiving() {
        let text = "id: test-114336-500, time 1.000 s, sent: 5 msg/s\nid: test-114336-500, sending rate avg: 5 msg/s\n\
                    id: test-114336-500, receiving rate avg: 0 msg/s\n";
        check(text, &[(Status::Complete, &[("sent_per_second", 5.0)])]);
        assert!(decode(text).runs[0].labels.is_empty());
    }

    #[test]
    fn runs_at_the_same_time_are_distinguished_by_their_ids() {
        let of = |id: &str, what: &str| format!("id: {id}, {what} rate avg: 7 msg/s\n");
        let text =
            [of("a", "sending"), of("b", "sending"), of("a", "receiving"), of("b", "receiving")].concat();
        let rates: &[(&str, f64)] = &[("sent_per_second", 7.0), ("received_per_second", 7.0)];
        check(&text, &[(Status::Complete, rates), (Status::Complete, rates)]);
    }

    #[test]
    fn a_failed_start_has_the_message_of_the_tool() {
        let text = "id: a, starting consumer #0\nMain thread caught exception: java.io.IOException\n";
        let runs = decode(text).runs;
        assert_eq!((runs.len(), runs[0].reason.as_deref()), (1, Some("java.io.IOException")));
    }
}
