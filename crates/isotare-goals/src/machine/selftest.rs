//! The goals that `isotare selftest` has the figures for.

use super::program::Isotare;
use crate::goals::Goal;
use anyhow::Result;
use serde_json::Value;

/// Blocks of each workload with and without samplers.
const OBSERVER_BLOCKS: &str = "60";
/// What the tool may add to the start of an instance, s.
const LAUNCH: f64 = 0.001;

/// Runs the self-test, each known overhead injected so often, and holds what it found against the goals.
pub fn selftest(isotare: &Isotare, repeats: usize) -> Result<Vec<Goal>> {
    let repeats = repeats.to_string();
    let found = isotare.report("selftest", &["--repeats", &repeats, "--observer-blocks", OBSERVER_BLOCKS])?;
    Ok(goals_of(&found))
}

fn goals_of(found: &Value) -> Vec<Goal> {
    vec![g11(found), g13(found), g14(found), g15(found)]
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn g11(found: &Value) -> Goal {
    let summary = &found["summary"];
    let unavailable = list(&found["not_measured"]).len();
    Goal {
        id: "G11",
        promise: "the intervals contain the known overheads as often as their level says (binomial p above \
                  0.01)",
        figure: format!(
            "{} of {} (p {:.2}); {unavailable} not measured",
            summary["recovered"],
            summary["measured"],
            number(&summary["p"])
        ),
        met: summary["passed"] == true && number(&summary["measured"]) > 0.0,
    }
}

fn g13(found: &Value) -> Goal {
    let clocks = &found["clocks"];
    Goal {
        id: "G13",
        promise: "clocks inside instances differ from the host's by at most 100 ppm, beyond the error of the \
                  readings, or the trial is refused",
        figure: format!(
            "{:.0} ppm at most in {} trials; {} refused",
            number(&clocks["worst_ppm"]),
            clocks["trials"],
            clocks["refused"]
        ),
        met: clocks["beyond"] == clocks["refused"] && number(&clocks["trials"]) > 0.0,
    }
}

fn g14(found: &Value) -> Goal {
    let rows = list(&found["observer"]);
    let (launches, workloads): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["adds"].is_number());
    let costs: Vec<String> = workloads
        .iter()
        .map(|row| {
            let [low, high] = ["low", "high"].map(|end| 100.0 * (number(&row[end]) - 1.0));
            format!("{} {low:.2} … {high:.2} %", row["workload"].as_str().unwrap_or_default())
        })
        .collect();
    let added = launches.iter().map(|row| number(&row["adds"])).fold(f64::NAN, f64::max);
    Goal {
        id: "G14",
        promise: "the overhead of sampling at 10 Hz is at most 0.5 %, and at most 1 ms for a start (not met \
                  only if a larger overhead is shown)",
        figure: format!("{}; a start {:+.2} ms", costs.join(", "), 1e3 * added),
        met: !workloads.is_empty()
            && workloads.iter().all(|row| row["within_target"] != false)
            && added <= LAUNCH,
    }
}

fn g15(found: &Value) -> Goal {
    let records = &found["records"];
    let missing = list(&records["missing"]);
    Goal {
        id: "G15",
        promise: "every environment's ledger contains every fact of a fair comparison; facts that are not \
                  known are recorded as unknown",
        figure: format!(
            "{} facts, {} missing, {} unknown",
            records["required"],
            missing.len(),
            list(&records["unknown"]).len()
        ),
        met: missing.is_empty() && number(&records["required"]) > 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_goal_without_evidence_is_not_met() {
        assert!(goals_of(&Value::Null).iter().all(|goal| !goal.met));
    }

    #[test]
    fn only_a_proven_overhead_above_the_limit_misses_its_goal() {
        let observer = |within: Value, adds: f64| {
            json!({ "observer": [
                { "workload": "cpu", "low": 0.999, "high": 1.002, "within_target": true, "adds": null },
                { "workload": "threads", "low": 0.99, "high": 1.02, "within_target": within, "adds": null },
                { "workload": "lifecycle", "low": 0.99, "high": 1.02, "within_target": null, "adds": adds },
            ] })
        };
        for (within, adds, met) in [
            (Value::Null, 0.0001, true),
            (Value::from(false), 0.0001, false),
            (Value::from(true), 0.0015, false),
        ] {
            assert_eq!(g14(&observer(within.clone(), adds)).met, met, "{within} {adds}");
        }
    }
}
