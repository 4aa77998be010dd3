//! `isotare plan`: the exact order in which an experiment would run.

use crate::cli::{Form, Plan};
use crate::cmd::run::read;
use crate::exit::Exit;
use crate::table::Table;
use miette::Report;
use serde_json::json;

/// Shows the order.
pub fn plan(arguments: &Plan) -> Result<Exit, Report> {
    let experiment = read(&arguments.file)?;
    let plan = isotare_plan::plan(&experiment.design)?;
    let mut table = Table::new(&["trial", "block", "environment", "workload"]);
    for (index, slot) in plan.order.iter().enumerate() {
        let condition = &plan.conditions[slot.condition];
        table.row([
            index.to_string(),
            slot.block.to_string(),
            condition.environment.to_string(),
            match arguments.format {
                Form::Csv => condition.workload.to_string(),
                _ => condition.workload.label(),
            },
        ]);
    }
    let hash = isotare_plan::hash(&plan.order);
    let spare = match plan.spare {
        0 => String::new(),
        spare => format!("  and {spare} spare blocks at the end, to repeat disturbed blocks"),
    };
    let precision =
        plan.stopping.map(|target| format!("; stops once every interval is within ±{} %", 100.0 * target));
    let time = plan.time_limit.map(|limit| format!("; no block is started that would end after {limit} s"));
    table.note(format!(
        "{} trials in {} blocks{spare}; seed {}; order {hash}{}{}",
        plan.order.len(),
        plan.max_blocks,
        plan.seed,
        precision.unwrap_or_default(),
        time.unwrap_or_default(),
    ));
    table.show(arguments.format, &json!({ "plan": plan, "order_hash": hash }))?;
    Ok(Exit::Done)
}
