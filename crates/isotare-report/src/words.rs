//! Results in words. All outputs use the same words.

use crate::group::{Group, groups};
use crate::report::{Report, ResultRow, Warning, WarningKind, workload_label};
use isotare_core::{Better, visible};
use isotare_stats::Verdict;

/// Text on a single line, with hidden characters made visible. Line breaks and columns become spaces.
pub(crate) fn one_line(text: &str) -> String {
    let text = visible(text);
    text.split(['\n', '\t']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A fraction as per cent with two significant digits, one decimal at least from 1 % on.
pub(crate) fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    match percent.abs() {
        p if !p.is_finite() => "an unknown amount".to_owned(),
        p if p >= 10.0 => format!("{percent:.0} %"),
        p if p >= 1.0 && (p - p.round()).abs() < 1e-9 => format!("{percent:.0} %"),
        p if p >= 1.0 => format!("{percent:.1} %"),
        0.0 => "0 %".to_owned(),
        p if p >= 0.01 => format!("{percent:.2} %"),
        _ => "less than 0.01 %".to_owned(),
    }
}

/// A factor. The closer it is to 1, the more decimals it has.
pub(crate) fn factor(value: f64) -> String {
    match value {
        v if !v.is_finite() => "∞".to_owned(),
        v if v >= 1000.0 => format!("{v:.0}"),
        v if v >= 100.0 => format!("{v:.1}"),
        v if v >= 10.0 => format!("{v:.2}"),
        v if v >= 2.0 => format!("{v:.2}"),
        v if v >= 0.001 => format!("{v:.3}"),
        v => format!("{v:.1e}"),
    }
}

/// Name of a metric for people.
pub(crate) fn metric(name: &str) -> String {
    name.replace('_', " ")
}

/// Whether higher or lower values of a metric are better, in words.
pub(crate) fn direction(better: Better) -> &'static str {
    match better {
        Better::Higher => "higher is better",
        Better::Lower => "lower is better",
    }
}

/// An interval in brackets; empty without one.
pub(crate) fn interval(low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("[{}, {}]", factor(low), factor(high)),
        _ => String::new(),
    }
}

/// The cost of a row with its interval, as in `×1.034 [1.021, 1.047]`.
pub(crate) fn cost(row: &ResultRow) -> String {
    let Some(cost) = row.cost else { return "unknown".to_owned() };
    format!("×{} {}", factor(cost), interval(row.cost_low, row.cost_high)).trim_end().to_owned()
}

/// The verdict of a row, as in `3.4 % slower`.
pub(crate) fn verdict(row: &ResultRow, margin: f64) -> String {
    let Some(cost) = row.cost else { return "not comparable".to_owned() };
    let (worse, better) = comparatives(&row.unit);
    match row.verdict {
        Verdict::Equivalent => format!("equivalent within {}", percent(margin)),
        Verdict::Inconclusive => match row.minimum_detectable_effect.filter(|_| is_too_noisy(row)) {
            Some(effect) => format!("inconclusive (resolves {})", percent(effect)),
            None => "inconclusive".to_owned(),
        },
        Verdict::Slower => format!("{} {worse}", by(cost)),
        Verdict::Faster => format!("{} {better}", by(cost.recip())),
    }
}

/// Warnings of the whole report by position: those above all numbers, and those below. The null test has its
/// own sentence below.
pub(crate) fn warnings<'r>(report: &'r Report) -> (Vec<&'r str>, Vec<&'r str>) {
    let (above, below): (Vec<_>, Vec<_>) =
        report.warnings.iter().partition(|warning| warning.kind == WarningKind::Emulation);
    let message = |warnings: Vec<&'r Warning>| warnings.into_iter().map(|w| w.message.as_str());
    let said = |message: &&str| *message != report.null_test.sentence;
    (message(above).collect(), message(below).filter(said).collect())
}

/// Whether the session could not find differences of the size of the margin. The verdict says this, not a
/// footnote.
pub(crate) fn is_too_noisy(row: &ResultRow) -> bool {
    row.warnings.iter().any(|warning| warning.kind == WarningKind::TooNoisy)
}

/// The explanation of `resolves` in a verdict; `None` if no verdict contains it.
pub(crate) fn about_resolution(report: &Report) -> Option<&'static str> {
    let is_said = groups(report).iter().any(|group| group.rows.iter().any(|row| is_too_noisy(row)));
    is_said.then_some(
        "inconclusive (resolves X): with this noise and this number of blocks, the session can find only \
         differences of X or more; it cannot show smaller differences, so an inconclusive result does not \
         mean that there is no overhead",
    )
}

fn by(cost: f64) -> String {
    match cost {
        large if large >= 10.0 => format!("{large:.0} times"),
        large if large >= 2.0 => format!("{large:.1} times"),
        small => percent(small - 1.0),
    }
}

fn comparatives(unit: &str) -> (&'static str, &'static str) {
    match unit {
        "B" => ("larger", "smaller"),
        _ => ("slower", "faster"),
    }
}

/// The result of a workload's first headline metric, in one sentence.
pub(crate) struct Answer {
    /// The workload with its parameters.
    pub workload: String,
    /// The sentence.
    pub text: String,
}

/// One answer for each workload, the lifecycle included.
pub(crate) fn answers(report: &Report) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    for group in groups(report) {
        let workload = workload_label(group.workload, group.parameters);
        if answers.iter().all(|answer| answer.workload != workload) {
            answers.push(Answer { workload, text: sentence(&group, report) });
        }
    }
    answers
}

fn sentence(group: &Group<'_>, report: &Report) -> String {
    let baseline = &report.baseline;
    let rows: Vec<&ResultRow> = group.rows.iter().copied().filter(|row| !row.null).collect();
    let of = |verdict| rows.iter().copied().filter(move |row| row.verdict == verdict);
    let names =
        |rows: Vec<&ResultRow>| list(&rows.iter().map(|row| row.environment.clone()).collect::<Vec<_>>());
    let mut parts = Vec::new();
    let same: Vec<_> = of(Verdict::Equivalent).collect();
    if !same.is_empty() {
        let verb = if same.len() == 1 { "costs" } else { "cost" };
        parts.push(format!(
            "{} {verb} the same as {baseline} within {}",
            names(same),
            percent(report.margin)
        ));
    }
    for row in rows.iter().filter(|row| matches!(row.verdict, Verdict::Slower | Verdict::Faster)) {
        let costs = format!("×{}", interval(row.cost_low, row.cost_high));
        parts.push(format!("{} is {} ({costs})", row.environment, verdict(row, report.margin)));
    }
    let open: Vec<_> = of(Verdict::Inconclusive).collect();
    if !open.is_empty() {
        parts.push(format!("no conclusion is possible about {}", names(open)));
    }
    if !group.missing.is_empty() {
        let missing: Vec<String> = group.missing.iter().map(|status| status.environment.clone()).collect();
        parts.push(format!("{} could not be measured", list(&missing)));
    }
    match parts.is_empty() {
        true => format!("only {baseline} was measured."),
        false => format!("{}.", parts.join("; ")),
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Sentences about the session as a whole, besides its warnings: why it ended, and what disturbed it.
pub(crate) fn about_session(report: &Report) -> Vec<&str> {
    let precise = report.stopping.as_ref().filter(|stopping| stopping.reached);
    let precise = precise.map(|stopping| stopping.sentence.as_str());
    let noise = report.disturbance.as_ref().map(|found| found.sentence.as_str());
    let cut = report.cut_output.as_ref().map(|cut| cut.sentence.as_str());
    precise.into_iter().chain(noise).chain(cut).collect()
}

/// How trials that did not complete ended, as one sentence per environment.
pub(crate) fn not_completed(report: &Report) -> Vec<String> {
    let lost = |counts: &crate::report::OutcomeCounts| {
        let parts: Vec<String> = counts
            .counts
            .iter()
            .filter(|(word, _)| **word != "completed")
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        (!parts.is_empty()).then(|| format!("{}: {}", counts.environment, parts.join(", ")))
    };
    report.outcomes.iter().filter_map(lost).collect()
}

/// Where the values come from.
pub(crate) fn provenance(report: &Report) -> String {
    let blocks = report.blocks;
    match (&report.origin, report.seed) {
        (Some(file), _) => format!("values of {file}, {blocks} blocks"),
        (None, Some(seed)) => format!("session {}, {blocks} blocks, seed {seed}", report.session),
        (None, None) => format!("session {}, {blocks} blocks", report.session),
    }
}

/// The budget of every instance, if it is known.
pub(crate) fn budget(report: &Report) -> Option<String> {
    let (cpus, memory) = (report.cpus.as_ref()?, report.memory?);
    let processes = match report.processes {
        Some(limit) => format!("{limit} processes"),
        None => "processes not limited".to_owned(),
    };
    Some(format!("CPUs {cpus}, memory {}, {processes}", crate::quantity::size(memory)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_only_significant_digits() {
        let percents = [0.034, 0.0012, 0.25, 0.01, 0.0, 1e-7].map(percent);
        assert_eq!(percents, ["3.4 %", "0.12 %", "25 %", "1 %", "0 %", "less than 0.01 %"]);
        let factors = [1.0344, 12.34, 2.345, 1234.5, 0.98, f64::INFINITY].map(factor);
        assert_eq!(factors, ["1.034", "12.34", "2.35", "1234", "0.980", "∞"]);
    }
}
