//! Sessions and trials for the tests of the store.

#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses its own part")]

use isotare_core::{
    Better, Budget, Canary, Captured, ClockCheck, Condition, CpuSet, Dependence, Failure, Gate, HostFacts,
    HostNoise, MeasuredBy, MetricDef, Noise, Outcome, Phase, PhaseTime, Plan, Reading, Role, RuntimeInfo,
    Sample, Sampling, Session, Slot, Streams, Throttled, Timestamp, Trial, Unavailable, WorkloadInfo,
    WorkloadSpec,
};
use isotare_protocol::{ClockPair, Interval, Observation};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A session with two conditions, of which one is unavailable.
pub fn session(id: &str, started: &str) -> Session {
    let environment = |text: &str| text.parse().expect("valid");
    let workload =
        WorkloadSpec { name: "command".into(), given: vec![("argv".into(), r##"["a,b","\"#"]"##.into())] };
    let cell = |text: &str| Condition { environment: environment(text), workload: workload.clone() };
    Session {
        id: id.into(),
        started: started.into(),
        version: "0.1.0".into(),
        argv: vec!["isotare".into(), "compare".into(), "ü \"'".into()],
        plan: Plan {
            conditions: vec![cell("native"), cell("qemu:accel=tcg")],
            order: (0..14).map(|n| Slot { block: n / 2, condition: n as usize % 2 }).collect(),
            seed: u64::MAX,
            baseline: environment("native"),
            min_blocks: 6,
            max_blocks: 6,
            spare: 1,
            stopping: Some(0.01),
            stopping_by_default: false,
            gate: Some(Gate { integer: 1.25, memory: 1.5, waited: 0.35 }),
            time_limit: Some(0.1),
            margin: 0.02,
            level: 0.95,
            budget: Budget {
                cpus: CpuSet::new([0, 1]).expect("not empty"),
                memory: 1 << 30,
                processes: None,
            },
            sampling: Sampling { rate: 10.0 },
            timeout: 60.0,
            output_limit: Some(8 << 30),
            keep_output: false,
            accept_different_output: true,
        },
        workloads: BTreeMap::from([(
            workload.to_string(),
            WorkloadInfo {
                depends_on: [Dependence::Files, Dependence::Programs].into(),
                threads: Some(2),
                repeats_output: true,
                needs_more: Some("a is a shell".into()),
            },
        )]),
        host: HostFacts {
            facts: BTreeMap::from([("kernel".into(), "6.1".into())]),
            warnings: vec!["busy; stop something".into()],
        },
        environments: BTreeMap::from([
            ("native".into(), Ok(RuntimeInfo { version: "6.1".into(), details: BTreeMap::new() })),
            ("qemu:accel=tcg".into(), Err(Unavailable::new("no qemu", "install it"))),
        ]),
    }
}

/// A trial whose values all follow from its index.
pub fn trial(index: u32, readings: u64) -> Trial {
    let n = u64::from(index);
    let pair = |at: u64| ClockPair { asked_ns: at, agent_ns: at + 7, answered_ns: at + 20 };
    let sample = |name: &'static str, role, value| Sample {
        metric: MetricDef {
            name: Cow::Borrowed(name),
            unit: "1/s".into(),
            better: Better::Higher,
            headline: true,
        },
        source: if name == "cpu" { MeasuredBy::Sampler } else { MeasuredBy::Workload },
        role,
        value,
    };
    Trial {
        index,
        block: index / 2,
        condition: index as usize % 2,
        at_ns: n * 1_000_000_000,
        outcome: if index % 5 == 4 { Outcome::TimedOut } else { Outcome::Completed },
        failure: (index % 5 == 4)
            .then(|| Failure { reason: "start x: not done".into(), diagnostics: String::new() }),
        phases: [Phase::Create, Phase::Start, Phase::Ready, Phase::Exec, Phase::Stop, Phase::Delete]
            .into_iter()
            .map(|phase| PhaseTime { phase, mark: None, at_ns: n, took_ns: n + 1 })
            .chain([PhaseTime {
                phase: Phase::Start,
                mark: Some("vmm.spawned".into()),
                at_ns: n,
                took_ns: 3,
            }])
            .collect(),
        samples: (0..10)
            .map(|i| {
                sample(["rate", "latency", "cpu", "memory", "steal"][i % 5], None, 0.1 * n as f64 + i as f64)
            })
            .chain([sample("cpu", Some(Role::Vmm), f64::INFINITY)])
            .collect(),
        readings: (0..readings)
            .zip(["cpu.user", "cpu.system", "memory.current", "io.read", "psi.cpu"].into_iter().cycle())
            .map(|(i, metric)| Reading {
                at: Timestamp(n * 1_000_000_000 + i),
                metric: metric.into(),
                role: (i % 2 == 0).then_some(Role::Workload),
                value: 1e9 + 0.1 * i as f64,
            })
            .collect(),
        observations: vec![Observation {
            at_ns: n,
            user_ns: u64::MAX,
            memory_available: None,
            ..Default::default()
        }],
        intervals: (0..10).map(|i| Interval { at_ns: i * 100_000_000, events: 1000 + i }).collect(),
        latency: Some((0..500_u32).map(|i| (i * i % 251) as u8).collect()),
        clock: Some(ClockCheck {
            before: pair(n),
            during: vec![pair(n + 500_000_000)],
            after: pair(n + 1_000_000_000),
        }),
        noise: Some(noise(n)),
        facts: BTreeMap::from([("cpus".into(), "2".into()), ("memory".into(), "1073741824".into())]),
        output: Some(Streams {
            stdout: Captured::of(format!("events {index}\n").repeat(20).as_bytes()),
            stderr: Captured::default(),
        }),
    }
}

fn noise(n: u64) -> Noise {
    let canary = |part: f64| Canary { integer: 0.002 + part, memory: 0.001 + part, waited: part };
    Noise {
        reference: canary(0.0),
        before: canary(1e-5 * n as f64),
        after: canary(2e-5 * n as f64),
        host: HostNoise { pressure_cpu: Some(0.1 * n as f64), steal: None, ..HostNoise::default() },
        throttled: n.is_multiple_of(2).then_some(Throttled { periods: n, time: 0.25 }),
    }
}

/// The same session in version 3 of the schema.
pub fn session_of_version_3(id: &str, started: &str) -> Session {
    let mut session = session(id, started);
    session.plan.accept_different_output = false;
    for info in session.workloads.values_mut() {
        *info = WorkloadInfo { depends_on: [Dependence::Programs].into(), ..WorkloadInfo::default() };
    }
    session
}

/// The same session in version 2 of the schema.
pub fn session_of_version_2(id: &str, started: &str) -> Session {
    let mut session = session_of_version_3(id, started);
    session.plan.output_limit = None;
    session
}

/// The same session in version 1 of the schema.
pub fn session_of_version_1(id: &str, started: &str) -> Session {
    let mut session = session_of_version_2(id, started);
    session.plan.order.truncate(12);
    session.plan.spare = 0;
    session.plan.stopping = None;
    session.plan.gate = None;
    session
}

/// The same trial in version 1 of the schema.
pub fn trial_of_version_1(index: u32, readings: u64) -> Trial {
    let mut trial = trial(index, readings);
    trial.noise = None;
    if let Some(clock) = &mut trial.clock {
        clock.during.clear();
    }
    trial
}
