//! `mpstat` of sysstat: what each processor did, in text and JSON (`-o JSON`, since 11.5.1).
//!
//! A run is one processor (`cpu`, with `all` for all of them) or NUMA node (`node`) of one invocation.
//! Interrupts (`-I`) are columns of their processor. The keys of the JSON have no `%` and `/s`; they are
//! renamed like the columns of the text.

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

/// Whether these are the columns of mpstat: `CPU %usr %nice %sys %iowait %irq …` (sar has `%steal` after
/// `%iowait`), `CPU intr/s`, `CPU 0/s 1/s …` or `NODE %usr …`.
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
        // These are the first columns of sar's tables of processors.
        Some("total/s" | "MHz" | "wghMHz") | None => false,
        Some(word) => word.ends_with("/s") && values.all(|word| word.ends_with("/s")),
    }
}

fn part(name: &str, at: usize, _: usize) -> Part {
    match (name, at) {
        ("CPU", 0) => Part::Id("cpu"),
        ("NODE", 0) => Part::Id("node"),
        // Columns of `-T`. They are blank in rows that cover several cores, sockets or nodes.
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
