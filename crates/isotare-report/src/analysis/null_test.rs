//! The baseline against itself: what this session would call a difference where there is none.

use crate::report::{NullTest, ResultRow, Source, Warning, WarningKind, workload_label};
use crate::words;
use isotare_stats::Verdict;

/// A difference of the baseline from itself has to be as rare as this by chance: there are several null rows in a session.
const RARE: f64 = 0.01;

/// Judges the session by its null rows in what the workloads say. The lifecycle and the samplers are not asked:
/// milliseconds of a plain process and ticks of CPU time vary by more than any margin worth stating, and their own
/// rows carry the warning. `absent` says why there are none.
pub(super) fn judge(results: &[ResultRow], margin: f64, absent: &str) -> NullTest {
    let rows: Vec<&ResultRow> =
        results.iter().filter(|row| row.null && row.headline && row.source == Source::Workload).collect();
    let tested: Vec<(&ResultRow, f64)> =
        rows.iter().filter(|row| row.low.is_some()).filter_map(|row| Some((*row, row.cost?))).collect();
    let differs: Vec<String> =
        tested.iter().filter(|(row, _)| is_off(row, margin)).map(|(row, _)| place(row)).collect();
    let floor = tested.iter().map(|(_, cost)| (cost.max(cost.recip()) - 1.0).abs()).reduce(f64::max);
    let calibrated = (!tested.is_empty()).then_some(differs.is_empty());
    let baseline = rows.first().map_or("the baseline", |row| row.baseline.as_str());
    let floor_text = floor.map(words::percent).unwrap_or_default();
    let sentence = match calibrated {
        None => format!("not calibrated: {absent}, so the noise floor is unknown"),
        Some(true) => format!(
            "null test passed: {baseline} against itself differs by at most {floor_text}, within the margin of {}",
            words::percent(margin)
        ),
        Some(false) => format!(
            "not calibrated: {baseline} against itself differs by up to {floor_text} (in {}); do not believe \
             differences of that size",
            differs.join(", ")
        ),
    };
    NullTest { calibrated, noise_floor: floor, differs, sentence }
}

/// Why a session has no null rows.
pub(super) const NOT_COMPARED: &str = "the baseline was not compared with itself";

/// The same of values whose design is not ours.
pub(super) fn not_in_file(baseline: &str) -> String {
    format!("the file has no second series of the baseline (a condition {baseline}#null)")
}

/// Warns on each row of a metric in which the baseline differs from itself.
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

fn is_off(row: &ResultRow, margin: f64) -> bool {
    let cost = row.cost.unwrap_or(1.0);
    let is_found =
        matches!(row.verdict, Verdict::Slower | Verdict::Faster) && row.p.is_some_and(|p| p < RARE);
    is_found || cost.max(cost.recip()) > 1.0 + margin
}

fn place(row: &ResultRow) -> String {
    format!("{}, {}", workload_label(&row.workload, &row.parameters), words::metric(&row.metric))
}
