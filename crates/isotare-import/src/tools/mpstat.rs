//! `mpstat` of sysstat: what each processor did, in text and JSON (`-o JSON`, since 11.5.1).
//!
//! A run is one processor (`cpu`, of which `all` is one) or NUMA node (`node`) of one invocation. Interrupts
//! (`-I`) are columns of their processor. JSON has the keys without `%` and `/s`; they get the names of the
//! text's columns.

use super::series::json::{self, Shape};
use super::series::layout::Part;
use super::series::timed::{self, Style};
use crate::Decoded;
use crate::tools::Tool;

/// mpstat.
pub static MPSTAT: Tool = Tool {
    name: "mpstat",
    summary: "means of each processor over the reports, from text and JSON",
    recognises,
    decode,
};

static STYLE: Style = Style { header: is_header, part, remark: |_| None, signed: false };

static SHAPE: Shape = Shape {
    sections: &["cpu-load", "node-load", "sum-interrupts", "individual-interrupts", "soft-interrupts"],
    name,
    ids: &[("cpu", "cpu"), ("node", "node")],
    also: None,
    of: None,
    whole: None,
    first_is_since_boot: false,
    signed: false,
};

fn recognises(head: &str) -> bool {
    head.lines().any(|line| timed::has_header(line, is_header)) || json::is_of(head, &SHAPE)
}

fn decode(text: &str) -> Decoded {
    match json::is_in(text) {
        true => json::decode(text, &SHAPE),
        false => timed::decode(text, &STYLE),
    }
}

/// `CPU %usr %nice %sys %iowait %irq …`, where sar has `%steal` behind `%iowait`; `CPU intr/s`; `CPU 0/s 1/s
/// …`; `NODE %usr …`.
fn is_header(names: &str) -> bool {
    let mut words = names.split_ascii_whitespace();
    let first = words.next();
    if !matches!(first, Some("CPU" | "NODE")) {
        return false;
    }
    let mut values = words.skip_while(|word| matches!(*word, "CORE" | "SOCK" | "NODE"));
    match values.next() {
        Some("%usr" | "%user") => values.skip_while(|word| *word != "%iowait").nth(1) == Some("%irq"),
        Some("intr/s") => values.next().is_none(),
        // sar's tables by processor are known by their first columns.
        Some("total/s" | "MHz" | "wghMHz") | None => false,
        Some(word) => word.ends_with("/s") && values.all(|word| word.ends_with("/s")),
    }
}

fn part(name: &str, at: usize, _: usize) -> Part {
    match (name, at) {
        ("CPU", 0) => Part::Id("cpu"),
        ("NODE", 0) => Part::Id("node"),
        // Of `-T`: what spans several has none.
        ("CORE" | "SOCK" | "NODE", _) => Part::Blank,
        _ => Part::Value,
    }
}

fn name(section: &str, key: &str) -> Option<String> {
    Some(match section {
        "cpu-load" | "node-load" => format!("%{key}"),
        _ => format!("{key}/s"),
    })
}
