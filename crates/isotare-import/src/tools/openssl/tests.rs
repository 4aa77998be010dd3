//! Tests with texts that differ from all recorded outputs.

use super::*;
use crate::Status;

fn found(text: &str) -> Vec<(String, Vec<(String, f64)>)> {
    let runs = decode(text).runs;
    let of_run = |run: &Run| {
        let labels: Vec<&str> = run.labels.values().map(String::as_str).collect();
        let metrics = run.metrics.iter().map(|metric| (metric.name.to_string(), metric.value));
        (labels.join(" "), metrics.collect())
    };
    runs.iter().map(of_run).collect()
}

const BLOCKS: &str = "type             16 bytes     64 bytes\nsha256           63425.17k   180000.00k\n";
const KEYS: &str = "                  sign    verify    sign/s verify/s\n\
                    rsa 2048 bits 0.000600s 0.000017s   1666.7  57471.3\n";

#[test]
fn rows_have_the_columns_of_their_header() {
    let rate = |value| vec![("throughput".to_owned(), value)];
    assert_eq!(
        found(BLOCKS),
        [("16 sha256".to_owned(), rate(63425.17 * 1e3)), ("64 sha256".to_owned(), rate(180e6))]
    );
    let keys = vec![("signs_per_second".to_owned(), 1666.7), ("verifies_per_second".to_owned(), 57471.3)];
    assert_eq!(found(KEYS), [("rsa 2048 bits".to_owned(), keys)]);
    assert!(recognises(KEYS) && recognises(BLOCKS));
    assert!(!recognises(" sign up\nrsa\n"));
}

#[test]
fn values_that_were_not_measured_or_are_cut_are_left_out() {
    for text in [
        BLOCKS.replace("63425.17k", "0.00k").replace("180000.00k", "0.00k"),
        BLOCKS.trim_end_matches("k\n").to_owned(),
        KEYS.trim_end().to_owned(),
        KEYS.replace("1666.7", "inf"),
        "Doing sha256 ops for 3s on 16 size blocks: ".to_owned(),
        "+F:1:sha256:1.00:2.00\n".to_owned(),
        "+H:16:64\n+F:1:sha256:1.00\n".to_owned(),
        "+H:16:64\n+F:1:sha256:1.00:2.00\n+F:1:sha256:1.00:2.00\n".to_owned(),
        "+F2:2:2048:0.000600:0.000017\n".to_owned(),
    ] {
        let decoded = crate::read("", text.as_bytes(), Some(&OPENSSL));
        assert!(decoded.runs.iter().all(|run| run.status != Status::Complete), "{text}: {:?}", decoded.runs);
    }
}

#[test]
fn work_without_tables_is_an_incomplete_run() {
    let work = "Doing sha256 ops for 3s on 16 size blocks: 12 sha256 ops in 3.00s\nDoing sha256 ops for 3s on 64 size blocks: ";
    let statuses = |text: &str| decode(text).runs.iter().map(|run| run.status).collect::<Vec<_>>();
    assert_eq!(statuses(work), [Status::Incomplete]);
    assert_eq!(statuses(&format!("{work}\n{work}")), [Status::Incomplete; 2]);
    assert_eq!(
        statuses(&format!("{work}\n{work}\n{BLOCKS}")),
        [Status::Incomplete, Status::Complete, Status::Complete]
    );
}

#[test]
fn lines_of_mr_are_read() {
    let text = "+H:16:64\n+F:1:sha256:16000.00:64000.00\n+F4:3:256:45454.500000:15151.500000\n\
                +F5:3:256:0.000050:19841.000000\n+F6:0:253:Ed25519:24000.000000:9000.000000\n";
    let names: Vec<String> = found(text).into_iter().map(|(labels, _)| labels).collect();
    assert_eq!(
        names,
        ["16 sha256", "64 sha256", "3 256 bits ecdsa", "3 256 bits ecdh", "0 253 bits EdDSA (Ed25519)"]
    );
    assert_eq!(found(text)[3].1, [("operations_per_second".to_owned(), 19841.0)]);
    assert_eq!(found(text)[4].1[1], ("verifies_per_second".to_owned(), 9000.0));
}
