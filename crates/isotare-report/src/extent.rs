//! How far an axis of costs reaches: the same in figures and in the terminal.

use crate::report::ResultRow;

/// Where the interval of a row begins and ends on an axis. The end of a boundless interval is no reason for an endless axis.
pub(crate) fn ends(row: &ResultRow) -> (f64, f64) {
    let cost = row.cost.unwrap_or(1.0);
    let low = row.cost_low.filter(|low| *low > cost / 10.0).unwrap_or(cost / 1.1);
    let high = row.cost_high.filter(|high| *high < cost * 10.0).unwrap_or(cost * 1.1);
    (low, high)
}

/// An axis that holds these intervals, 1 and the margin.
pub(crate) fn span(ends: impl Iterator<Item = (f64, f64)>, margin: f64) -> (f64, f64) {
    let edge = (1.0 + 1.5 * margin).clamp(1.002, 1.5);
    let (low, high) = ends.fold((1.0 / edge, edge), |(low, high), (l, h)| (low.min(l), high.max(h)));
    let pad = (high / low).powf(0.04).max(1.001);
    (low / pad, high * pad)
}
