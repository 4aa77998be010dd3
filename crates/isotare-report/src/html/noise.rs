//! What disturbed the session from outside, and what was done about it.

use super::{SCROLLS, name, sentence};
use crate::disturbance::DisturbanceRow;
use crate::quantity::quantity;
use crate::report::Report;
use crate::words;
use maud::{Markup, html};

/// Columns of seconds: header and value.
type Column = (&'static str, fn(&DisturbanceRow) -> Option<f64>);

const SECONDS: [Column; 6] = [
    ("CPU pressure", |row| row.pressure_cpu),
    ("memory pressure", |row| row.pressure_memory),
    ("I/O pressure", |row| row.pressure_io),
    ("steal", |row| row.steal),
    ("run delay", |row| row.run_delay),
    ("throttled", |row| row.throttled),
];

/// Blocks that were disturbed, and what the machine was like.
pub(super) fn noise(report: &Report) -> Markup {
    html! {
        @if let Some(found) = &report.disturbance {
            h2 { "Noise" }
            p { (sentence(&found.sentence)) }
            p.quiet {
                "Only the canary decides whether a block counts as disturbed. The thresholds were fixed before the \
                 first trial, and no result is used. A block that was repeated is kept, but no estimate uses it."
            }
            (table(&found.by_environment))
            p.quiet {
                "Medians of a trial from creation to deletion, counted on the whole host. They include the \
                 environment's own work, so they describe a trial, but do not judge it. – means that the machine does \
                 not report the value."
            }
        }
    }
}

fn table(rows: &[DisturbanceRow]) -> Markup {
    let relative = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("×{value:.3}"));
    let seconds = |value: Option<f64>| value.map_or("–".to_owned(), |value| quantity(value, "s", None));
    html! {
        div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
            table {
                thead {
                    tr {
                        th scope="col" { "environment" }
                        th.n scope="col" { "canary, arithmetic" }
                        th.n scope="col" { "canary, reads" }
                        th.n scope="col" { "canary without CPU" }
                        @for (name, _) in SECONDS { th.n scope="col" { (name) } }
                        th.n scope="col" { "major faults" }
                        th.n scope="col" { "trials" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (name(&row.environment)) }
                            td.n { (relative(row.canary_integer)) }
                            td.n { (relative(row.canary_memory)) }
                            td.n { (row.canary_waited.map_or("–".to_owned(), words::percent)) }
                            @for (_, value) in SECONDS { td.n { (seconds(value(row))) } }
                            td.n { (row.major_faults.map_or("–".to_owned(), |faults| format!("{faults:.0}"))) }
                            td.n { (row.trials) }
                        }
                    }
                }
            }
        }
    }
}
