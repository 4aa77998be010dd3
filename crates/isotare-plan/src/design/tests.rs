//! Tests of valid designs, and of the messages about others.

use super::*;
use isotare_core::CpuSet;
use miette::Diagnostic;

fn design(environments: &[&str], workloads: &[&str]) -> Design {
    let budget =
        Budget { cpus: CpuSet::new([0, 1]).expect("not empty"), memory: 1 << 30, processes: Some(1024) };
    Design {
        environments: environments.iter().map(|text| text.parse().expect("valid")).collect(),
        workloads: workloads.iter().map(|text| text.parse().expect("valid")).collect(),
        ..Design::new(budget, 1)
    }
}

fn environments(design: &Design) -> Vec<String> {
    let plan = plan(design).expect("valid");
    plan.conditions.iter().map(|condition| condition.environment.to_string()).collect()
}

fn refusal(design: Design) -> String {
    let error = plan(&design).expect_err("refused");
    format!("{error}; {}", error.help().expect("every refusal has a remedy"))
}

#[test]
fn the_baseline_and_its_null_replica_are_added_once() {
    assert_eq!(environments(&design(&["lxc"], &["cpu"])), ["native", "lxc", "native#null"]);
    assert_eq!(environments(&design(&["lxc", "native"], &["cpu"])), ["lxc", "native", "native#null"]);
    assert_eq!(environments(&design(&["native", "native#null"], &["cpu"])), ["native", "native#null"]);
    let without = Design { null_test: false, ..design(&["lxc"], &["cpu", "memory"]) };
    assert_eq!(environments(&without), ["native", "lxc", "native", "lxc"]);
}

#[test]
fn the_baseline_is_found_whatever_the_order_of_its_settings() {
    let mut design = design(&["qemu:a=1,b=2"], &["cpu"]);
    design.baseline = "qemu:b=2,a=1".parse().expect("valid");
    design.null_test = false;
    let plan = plan(&design).expect("valid");
    assert_eq!(plan.conditions.len(), 1);
    assert_eq!(plan.baseline, plan.conditions[0].environment);
}

#[test]
fn spare_blocks_do_not_change_the_order_of_earlier_blocks() {
    let with = |repeats| plan(&Design { repeats, ..design(&["lxc"], &["cpu"]) }).expect("valid");
    let (none, some) = (with(0.0), with(0.29));
    assert_eq!((none.spare, none.order.len()), (0, 20 * 3));
    assert_eq!((some.spare, some.order.len(), some.max_blocks), (5, 25 * 3, 20));
    assert_eq!(none.order, some.order[..60]);
    assert_eq!(some.block(24).len(), 3);
    assert!(some.block(24).iter().all(|slot| slot.block == 24) && some.block(25).is_empty());
    let hundred = Design { blocks: Blocks::exactly(100), repeats: 0.29, ..design(&["lxc"], &["cpu"]) };
    assert_eq!(plan(&hundred).expect("valid").spare, 29);
}

#[test]
fn six_blocks_are_the_minimum_for_95_percent() {
    assert_eq!([0.5, 0.9, 0.95, 0.99, 0.999].map(fewest_blocks), [2, 5, 6, 8, 11]);
}

#[test]
fn every_refusal_has_a_remedy() {
    let with = |change: &dyn Fn(&mut Design)| {
        let mut design = design(&["lxc"], &["cpu"]);
        change(&mut design);
        refusal(design)
    };
    insta::assert_snapshot!(
        [
            with(&|d| d.environments.clear()),
            with(&|d| d.workloads.clear()),
            refusal(design(&["lxc", "qemu:a=1,b=2", "qemu:b=2,a=1"], &["cpu"])),
            refusal(design(&["lxc"], &["cpu", "cpu"])),
            with(&|d| d.blocks = Blocks::exactly(0)),
            with(&|d| d.blocks = Blocks::exactly(5)),
            with(&|d| d.blocks = Blocks { min: 7, max: 6 }),
            with(&|d| d.blocks = Blocks::exactly(u32::MAX)),
            with(&|d| d.level = 1.0),
            with(&|d| d.margin = f64::NAN),
            with(&|d| d.time_limit = Some(0.0)),
            with(&|d| d.precision = Some(1.0)),
            with(&|d| d.repeats = 1.1),
            with(&|d| d.timeout = f64::INFINITY),
            with(&|d| d.sampling.rate = -1.0),
            with(&|d| d.budget.memory = 0),
            with(&|d| d.output_limit = 0),
            with(&|d| d.budget.processes = Some(63)),
            refusal(Design {
                blocks: Blocks::exactly(LIMIT_BLOCKS),
                repeats: 0.0,
                ..design(&["a", "b", "c", "d", "e", "f", "g", "h", "i"], &["cpu"])
            }),
        ]
        .join("\n"),
        @"
    the design has no environment; name at least one environment, such as container
    the design has no workload; name at least one workload, such as cpu
    environment 'qemu:b=2,a=1' is given twice; remove one of them; to run the same environment twice, as two conditions, write the second one as qemu:b=2,a=1#NAME
    workload 'cpu' is given twice; remove one of them; to repeat a workload more often, run more blocks
    0 blocks are too few; run 6 blocks or more: fewer pairs cannot give a 95 % interval
    5 blocks are too few; run 6 blocks or more: fewer pairs cannot give a 95 % interval
    the minimum number of blocks, 7, is larger than the maximum, 6; lower the minimum or raise the maximum
    4294967295 blocks are too many; run at most 100000 blocks
    the level cannot be 1; it has to be from 0.5 to 0.9999
    the margin cannot be NaN; it has to be between 0 and 1
    the time cannot be 0; it has to be positive
    the precision cannot be 1; it has to be between 0 and 1
    the repeats cannot be 1.1; it has to be from 0 to 1
    the timeout cannot be inf; it has to be positive
    the rate cannot be -1; it has to be from 0 to 1000
    the memory cannot be 0; it has to be positive
    the output-limit cannot be 0; it has to be positive
    the processes cannot be 63; it has to be from 64 to 4194304
    1100000 trials are too many; use fewer blocks or fewer conditions; a session can have at most 1000000 trials
    "
    );
}
