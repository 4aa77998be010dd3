//! The null test: the baseline against itself. It shows which differences this session finds although there
//! is none.

use crate::report::{NullStatus, NullTest, ResultRow, Warning, WarningKind, workload_label};
use crate::words;
use isotare_core::MeasuredBy;
use isotare_stats::Verdict;
use std::collections::BTreeSet;

/// p value below which the baseline counts as different from itself. It is small, because a session has
/// several null rows.
const RARE: f64 = 0.01;

/// The result of the null test, from the null rows of the workloads' metrics and of the lifecycle. Counters
/// are not included: ticks of CPU time and pages of memory vary by more than any useful margin, and their own
/// rows have the warning. `absent` says why there are no null rows.
pub(super) fn judge(results: &[ResultRow], margin: f64, absent: &str) -> NullTest {
    let shown = |row: &&ResultRow| row.null && row.headline;
    let (counters, rows): (Vec<&ResultRow>, Vec<&ResultRow>) =
        results.iter().filter(shown).partition(|row| row.source == MeasuredBy::Sampler);
    let left_out: Vec<String> =
        counters.iter().map(|row| words::metric(&row.metric)).collect::<BTreeSet<_>>().into_iter().collect();
    let named = |of: &dyn Fn(&ResultRow) -> bool| -> Vec<String> {
        rows.iter().filter(|row| of(row)).map(|row| place(row)).collect()
    };
    let differs = named(&differs_from_itself);
    let not_shown = named(&|row| !is_within(row, margin));
    let status = match () {
        () if rows.is_empty() => NullStatus::Absent,
        () if !differs.is_empty() => NullStatus::Failed,
        () if !not_shown.is_empty() => NullStatus::NotShown,
        () => NullStatus::Passed,
    };
    let off = |cost: f64| (cost.max(cost.recip()) - 1.0).abs();
    let floor = rows.iter().filter_map(|row| row.cost).map(off).reduce(f64::max);
    let open = rows.iter().filter(|row| !is_within(row, margin));
    let resolves = open.filter_map(|row| row.minimum_detectable_effect).reduce(f64::max);
    let judged =
        Judged { rows: rows.len(), margin, floor, resolves, differs: &differs, not_shown: &not_shown };
    let baseline = rows.first().map_or("the baseline", |row| row.baseline.as_str());
    let mut sentence = match status {
        NullStatus::Absent => format!("not calibrated: {absent}, so the noise floor is unknown"),
        NullStatus::Passed => judged.passed(baseline),
        NullStatus::NotShown => judged.not_shown(baseline),
        NullStatus::Failed => judged.failed(baseline),
    };
    if status != NullStatus::Absent && !left_out.is_empty() {
        sentence.push_str(&format!("; not judged: {}", left_out.join(", ")));
    }
    let calibrated = match status {
        NullStatus::Passed => Some(true),
        NullStatus::Failed => Some(false),
        NullStatus::NotShown | NullStatus::Absent => None,
    };
    NullTest { status, calibrated, noise_floor: floor, resolves, differs, not_shown, left_out, sentence }
}

/// The parts of the sentences.
struct Judged<'a> {
    rows: usize,
    margin: f64,
    floor: Option<f64>,
    resolves: Option<f64>,
    differs: &'a [String],
    not_shown: &'a [String],
}

impl Judged<'_> {
    fn floor(&self) -> String {
        self.floor.map(words::percent).unwrap_or_default()
    }

    fn passed(&self, baseline: &str) -> String {
        format!(
            "null test passed: {baseline} against itself differs by at most {}, and every interval (rows: {}) is within \
             the margin of {}",
            self.floor(),
            self.rows,
            words::percent(self.margin)
        )
    }

    fn not_shown(&self, baseline: &str) -> String {
        let resolves = self
            .resolves
            .map_or("too few blocks".to_owned(), |effect| format!("resolves {}", words::percent(effect)));
        format!(
            "null test not shown ({resolves}): {baseline} against itself is within the margin of {} in {} \
             of {} rows; the intervals reach beyond it in {}",
            words::percent(self.margin),
            self.rows - self.not_shown.len(),
            self.rows,
            self.not_shown.join("; ")
        )
    }

    fn failed(&self, baseline: &str) -> String {
        format!(
            "not calibrated: {baseline} against itself differs by up to {} (in {}); do not believe differences of that size",
            self.floor(),
            self.differs.join("; ")
        )
    }
}

/// Why a session has no null rows.
pub(super) const NOT_COMPARED: &str = "the baseline was not compared with itself";

/// The same for values that another tool measured.
pub(super) fn not_in_file(baseline: &str) -> String {
    format!("the file has no second series of the baseline (a condition {baseline}#null)")
}

/// Adds a warning to each row of a metric in which the baseline differs from itself.
pub(super) fn mark(results: &mut [ResultRow]) {
    let off: Vec<ResultRow> = results
        .iter()
        .filter(|row| row.null && matches!(row.verdict, Verdict::Slower | Verdict::Faster))
        .cloned()
        .collect();
    for row in results {
        let same = |null: &&ResultRow| {
            (&null.workload, &null.parameters, &null.metric) == (&row.workload, &row.parameters, &row.metric)
        };
        if let Some(cost) = off.iter().find(same).and_then(|null| null.cost) {
            let by = words::percent((cost.max(cost.recip()) - 1.0).abs());
            let message = format!("not calibrated: the baseline differs from itself by {by} here");
            row.warnings.push(Warning { kind: WarningKind::NotCalibrated, message });
        }
    }
}

/// A difference of the baseline from itself that is probably not chance.
fn differs_from_itself(row: &ResultRow) -> bool {
    matches!(row.verdict, Verdict::Slower | Verdict::Faster) && row.p.is_some_and(|p| p < RARE)
}

/// Whether the whole interval is inside the margin, which shows that the baseline agrees with itself.
fn is_within(row: &ResultRow, margin: f64) -> bool {
    let inside = |cost: f64| cost.max(cost.recip()) <= 1.0 + margin;
    row.cost_low.is_some_and(inside) && row.cost_high.is_some_and(inside)
}

fn place(row: &ResultRow) -> String {
    format!("{}, {}", workload_label(&row.workload, &row.parameters), words::metric(&row.metric))
}
