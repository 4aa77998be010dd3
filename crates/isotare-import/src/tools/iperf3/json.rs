//! iperf3's `--json` and `--json-stream`.

use super::DIRECTIONS;
use crate::documents::runs_in;
use crate::{Decoded, Metric, Run};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Test {
    start: Option<Start>,
    end: Option<End>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Start {
    version: Option<String>,
    /// Only a server has it.
    accepted_connection: Option<Value>,
    test_start: Option<TestStart>,
}

#[derive(Deserialize)]
struct TestStart {
    protocol: Option<String>,
    num_streams: Option<u64>,
    blksize: Option<u64>,
    reverse: Option<u64>,
    target_bitrate: Option<u64>,
}

#[derive(Deserialize)]
struct End {
    streams: Option<Vec<Stream>>,
    sum_sent: Option<Sum>,
    sum_received: Option<Sum>,
    sum_sent_bidir_reverse: Option<Sum>,
    sum_received_bidir_reverse: Option<Sum>,
    /// Only for UDP: jitter and losses that the receiver measured.
    sum: Option<Sum>,
    sum_bidir_reverse: Option<Sum>,
    cpu_utilization_percent: Option<Processor>,
}

#[derive(Clone, Deserialize)]
struct Stream {
    sender: Option<Sum>,
    receiver: Option<Sum>,
}

#[derive(Clone, Default, Deserialize)]
struct Sum {
    /// Whether this end is the sender.
    sender: Option<bool>,
    seconds: Option<f64>,
    bytes: Option<f64>,
    bits_per_second: Option<f64>,
    retransmits: Option<f64>,
    jitter_ms: Option<f64>,
    lost_packets: Option<f64>,
    packets: Option<f64>,
    lost_percent: Option<f64>,
}

#[derive(Deserialize)]
struct Processor {
    host_total: Option<f64>,
    remote_total: Option<f64>,
}

pub(super) fn recognises(head: &str) -> bool {
    head.contains("\"iperf 3")
        || (head.contains("\"cpu_utilization_percent\"") && head.contains("\"sum_sent\""))
}

pub(super) fn decode(text: &str) -> Decoded {
    let mut version = None;
    let mut of_test = |line, value: Value| match serde_json::from_value::<Test>(value) {
        Err(error) => Run::unreadable(line, format!("a field does not have iperf3's format: {error}")),
        Ok(test) => {
            let told = test.start.as_ref().and_then(|start| start.version.as_deref());
            version = version.take().or_else(|| Some(told?.trim_start_matches("iperf ").to_owned()));
            run(line, &test)
        }
    };
    let mut open: Option<(usize, Map<String, Value>)> = None;
    let mut mixed = false;
    let mut runs = runs_in(text, |line, value| {
        if value.get("start").is_some() && value.get("intervals").is_some() || value.get("error").is_some() {
            return vec![of_test(line, value)];
        }
        match value.get("event").and_then(Value::as_str) {
            Some("start") => {
                let before = open.replace((line, data("start", value)));
                mixed = before.is_some();
                before.map(|(line, _)| Run::incomplete(line, MIXED)).into_iter().collect()
            }
            Some("error") => {
                let (begin, mut test) = open.take().unwrap_or((line, Map::new()));
                test.append(&mut data("error", value));
                vec![of_test(begin, Value::Object(test))]
            }
            Some("end") => match open.take() {
                Some((begin, _)) if mixed => vec![Run::incomplete(begin, MIXED)],
                Some((begin, mut test)) => {
                    test.append(&mut data("end", value));
                    vec![of_test(begin, Value::Object(test))]
                }
                None => vec![Run::incomplete(line, MIXED)],
            },
            _ => Vec::new(),
        }
    });
    runs.extend(open.map(|(line, _)| Run::incomplete(line, "its end is missing")));
    with_messages(text, &mut runs);
    Decoded { version, runs, warnings: Vec::new() }
}

const NO_RESULTS: &str = "it has no results";

/// Up to 3.9, some errors stand after the document and not in it.
fn with_messages(text: &str, runs: &mut [Run]) {
    let messages =
        (1..).zip(text.lines()).filter_map(|(at, line)| Some((at, line.strip_prefix(super::ERROR)?)));
    for (at, words) in messages {
        let begun = runs.partition_point(|run| run.line < at);
        let last = begun.checked_sub(1).and_then(|before| runs.get_mut(before));
        if let Some(reason) = last.and_then(|run| run.reason.as_mut()).filter(|reason| *reason == NO_RESULTS)
        {
            *reason = words.to_owned();
        }
    }
}

const MIXED: &str = "its start and its end do not belong to the same run";

/// The data of an event, under the name that it has in the document of `--json`.
fn data(name: &str, mut event: Value) -> Map<String, Value> {
    let data = event.get_mut("data").map(Value::take).unwrap_or_default();
    [(name.to_owned(), data)].into_iter().collect()
}

fn run(line: usize, test: &Test) -> Run {
    let is_server = test.start.as_ref().is_some_and(|start| start.accepted_connection.is_some());
    let mut run = match (&test.error, &test.end) {
        (Some(error), _) => {
            let words = error.trim_start_matches("error - ").trim_start_matches("interrupt - ");
            Run::incomplete(line, words)
        }
        (None, Some(end)) if end.is_empty() => Run::incomplete(line, NO_RESULTS),
        (None, Some(end)) => match metrics(end, is_server) {
            Ok(metrics) => Run::complete(line, metrics),
            Err(why) => Run::unreadable(line, why),
        },
        (None, None) => Run::incomplete(line, "its end is missing"),
    };
    let start = test.start.as_ref().and_then(|start| start.test_start.as_ref());
    run.labels.extend(start.into_iter().flat_map(labels));
    // Up to 3.12, the options do not show this.
    if test.end.as_ref().is_some_and(End::goes_both_ways) {
        run = run.with("direction", "both");
    }
    run
}

fn labels(test: &TestStart) -> impl Iterator<Item = (String, String)> {
    let set = |value: Option<u64>| value.filter(|&value| value != 0);
    let all = [
        ("protocol", test.protocol.clone()),
        ("streams", test.num_streams.map(|count| count.to_string())),
        ("block_size", set(test.blksize).map(|bytes| bytes.to_string())),
        ("direction", set(test.reverse).map(|_| "reverse".to_owned())),
        ("target_bitrate", set(test.target_bitrate).map(|rate| rate.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

fn metrics(end: &End, is_server: bool) -> Result<Vec<Metric>, String> {
    let mut metrics = Vec::new();
    let [forward, reverse] = DIRECTIONS;
    let both = end.goes_both_ways();
    for (name, sum) in end.sums()? {
        sum.check_rate()?;
        // If both ends send, the direction from the client to the server is the forward one.
        let direction = if both && sum.sender == Some(is_server) { reverse } else { forward };
        let rate = sum.bits_per_second.filter(|&rate| rate > 0.0);
        metrics
            .extend(rate.map(|rate| Metric::higher(format!("{direction}{name}_throughput"), "bit/s", rate)));
        let again = sum.retransmits.map(|count| Metric::lower(format!("{direction}retransmits"), "", count));
        metrics.extend(again);
    }
    for (direction, sum) in [(forward, &end.sum), (reverse, &end.sum_bidir_reverse)] {
        let Some(sum) = sum else { continue };
        // In some versions its seconds are those of the other end, so its rate is not checked.
        sum.check_losses()?;
        // Up to 3.6, UDP has only this sum. Its bytes are the bytes that were sent.
        if metrics.is_empty() {
            let rate = sum.bits_per_second.filter(|&rate| rate > 0.0);
            metrics.extend(rate.map(|rate| Metric::higher("sent_throughput", "bit/s", rate)));
        }
        let jitter = sum.jitter_ms.filter(|&jitter| jitter > 0.0);
        metrics.extend(jitter.map(|jitter| Metric::lower(format!("{direction}jitter"), "s", jitter / 1e3)));
        let counts = [("packets", sum.packets), ("lost_packets", sum.lost_packets)];
        let counts = counts.into_iter().filter_map(|(name, count)| Some((name, count?)));
        metrics.extend(counts.map(|(name, count)| Metric::lower(format!("{direction}{name}"), "", count)));
        metrics.extend(sum.lost_percent.map(|share| Metric::lower(format!("{direction}lost"), "%", share)));
    }
    if metrics.is_empty() {
        return Err("nothing was sent or received".to_owned());
    }
    if let Some(processor) = &end.cpu_utilization_percent {
        let cpu = [("cpu_host", processor.host_total), ("cpu_remote", processor.remote_total)];
        metrics.extend(
            cpu.into_iter().filter_map(|(name, share)| {
                Some(Metric::lower(name, "%", share.filter(|&share| share > 0.0)?))
            }),
        );
    }
    Ok(metrics)
}

impl End {
    fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().flatten()
    }

    fn goes_both_ways(&self) -> bool {
        let sends = |stream: &&Stream| stream.sender.as_ref().and_then(|sum| sum.sender);
        let flags: Vec<bool> = self.streams().filter_map(|stream| sends(&stream)).collect();
        self.sum_sent_bidir_reverse.is_some() || (flags.contains(&true) && flags.contains(&false))
    }

    /// The sums of each end and direction. From 3.7 to 3.10 the sums of both directions have the same keys in
    /// JSON, so only one of them can be read. There they are computed from the streams.
    fn sums(&self) -> Result<Vec<(&'static str, Sum)>, String> {
        if self.goes_both_ways() && self.sum_sent_bidir_reverse.is_none() {
            if self.sum.is_some() {
                return Err("in this version, the sums of both directions have the same key".to_owned());
            }
            return Ok([true, false].into_iter().flat_map(|sender| self.added(sender)).collect());
        }
        let all = [
            ("sent", &self.sum_sent),
            ("received", &self.sum_received),
            ("sent", &self.sum_sent_bidir_reverse),
            ("received", &self.sum_received_bidir_reverse),
        ];
        Ok(all.into_iter().filter_map(|(name, sum)| Some((name, sum.clone()?))).collect())
    }

    /// The sums of sent and received data over streams. `sender`: whether this end is the sender of the
    /// streams.
    fn added(&self, sender: bool) -> [(&'static str, Sum); 2] {
        let of = |end: fn(&Stream) -> &Option<Sum>| {
            let is_sender =
                |stream: &&Stream| stream.sender.as_ref().and_then(|sum| sum.sender) == Some(sender);
            let mut sum = Sum { sender: Some(sender), ..Sum::default() };
            for one in self.streams().filter(is_sender).filter_map(|stream| end(stream).as_ref()) {
                let add = |all: Option<f64>, more: Option<f64>| {
                    more.map(|more| all.unwrap_or_default() + more).or(all)
                };
                sum.bits_per_second = add(sum.bits_per_second, one.bits_per_second);
                sum.retransmits = add(sum.retransmits, one.retransmits);
            }
            sum
        };
        [("sent", of(|stream| &stream.sender)), ("received", of(|stream| &stream.receiver))]
    }

    fn is_empty(&self) -> bool {
        self.sum.is_none() && self.sum_sent.is_none() && self.sum_received.is_none()
    }
}

impl Sum {
    /// Fails if its rate does not agree with its bytes.
    fn check_rate(&self) -> Result<(), String> {
        match (self.seconds, self.bytes, self.bits_per_second) {
            (Some(seconds), Some(bytes), Some(rate))
                if seconds > 0.0 && (bytes * 8.0 / seconds - rate).abs() > 0.01 * rate.abs() + 1.0 =>
            {
                Err(format!(
                    "the figures contradict each other: {bytes} bytes in {seconds} s are not {rate} bit/s"
                ))
            }
            _ => Ok(()),
        }
    }

    fn check_losses(&self) -> Result<(), String> {
        match (self.packets, self.lost_packets) {
            (Some(packets), Some(lost)) if lost > packets => {
                Err(format!("{lost} lost packets of {packets} are not possible"))
            }
            _ => Ok(()),
        }
    }
}
