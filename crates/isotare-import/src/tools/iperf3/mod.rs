//! `iperf3`: its text, the document of `--json` and the lines of `--json-stream`, of client and server.
//!
//! The amounts that were sent and received are two different numbers. Data that are in flight at the end, or
//! that are lost, are only in the first one (`iperf_api.c`: `iperf_print_results`; strings in
//! `iperf_locale.c`). Up to 3.6 the column of the rate is called `Bandwidth`, then `Bitrate`. Up to 3.1 UDP
//! has one line for both ends. Rates are in bit/s, as in the field of the JSON.

mod json;
mod text;

use crate::Decoded;
use crate::tools::{Tool, sound::sound};

/// iperf3.
pub static IPERF3: Tool = Tool {
    name: "iperf3",
    summary: "text, --json and --json-stream; sender and receiver separately",
    recognises,
    decode,
};

fn recognises(head: &str) -> bool {
    json::recognises(head) || text::recognises(head)
}

fn decode(text: &str) -> Decoded {
    let found = json::decode(text);
    sound(if found.runs.is_empty() { text::decode(text) } else { found })
}

/// How a message about an error begins. It is on the standard error.
const ERROR: &str = "iperf3: error - ";

/// The two directions, as prefixes of a metric's name: from the client to the server, and back.
const DIRECTIONS: [&str; 2] = ["", "reverse_"];

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::Status::{self, Complete, Incomplete, Unreadable};

    fn check(text: &str, expect: &[Status]) {
        let found: Vec<Status> = decode(text).runs.iter().map(|run| run.status).collect();
        assert_eq!(found, expect, "{text}");
    }

    fn client(rows: &[&str]) -> String {
        let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
        format!(
            "Connecting to host h, port 1\n[  5] local a port 1 connected to b port 2\n- - - -\n\
             [ ID] Interval           Transfer     Bitrate         Retr\n{rows}\niperf Done.\n"
        )
    }

    #[test]
    fn the_lines_of_a_test_must_agree_with_each_other() {
        let sender = "[  5]   0.00-2.00   sec  10.0 GBytes  43.0 Gbits/sec    0             sender";
        let receiver = "[  5]   0.00-2.00   sec  10.0 GBytes  43.0 Gbits/sec                  receiver";
        let sum = "[SUM]   0.00-2.00   sec  10.0 GBytes  99.0 Gbits/sec    0             sender";
        check(&client(&[sender, receiver]), &[Complete]);
        check(&client(&[sender, sender]), &[Incomplete]);
        check(&client(&[sender, sum]), &[Incomplete]);
        check(&client(&[]), &[Incomplete]);
        check(&client(&[sender, receiver]).replace("iperf Done.", ""), &[Incomplete]);
        check(&format!("iperf3: error - no route\n{}", client(&[sender])), &[Incomplete, Complete]);
    }

    #[test]
    fn rates_in_bytes_become_bits() {
        let row = "[  5]   0.00-2.00   sec  1 MBytes  1.00 MBytes/sec    0             sender";
        let values: Vec<f64> =
            decode(&client(&[row])).runs.iter().flat_map(|run| &run.metrics).map(|m| m.value).collect();
        assert_eq!(values, [8.0 * 1_048_576.0, 0.0]);
    }

    #[test]
    fn a_document_that_contradicts_itself_is_refused() {
        let text = |seconds: f64, lost: &str| {
            format!(
                "{{\"start\": {{\"version\": \"iperf 3.1\"}}, \"intervals\": [], \"end\": {{\
                 \"sum_sent\": {{\"seconds\": {seconds}, \"bytes\": 100, \"bits_per_second\": 400.0}}, \
                 \"sum\": {{\"packets\": 10, \"lost_packets\": {lost}, \"lost_percent\": -nan}}}}}}\n"
            )
        };
        check(&text(2.0, "1"), &[Complete]);
        check(&text(9.0, "1"), &[Unreadable]);
        check(&text(2.0, "11"), &[Unreadable]);
        check(&text(2.0, "\"x\""), &[Unreadable]);
        check("{\"start\": {\"version\": \"iperf 3.1\"}, \"intervals\": [], \"end\": {}}\n", &[Incomplete]);
    }
}
