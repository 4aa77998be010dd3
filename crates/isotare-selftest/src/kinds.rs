//! The kinds of known overhead, and which of them are injected by default.

use crate::injection::{Injection, Pair, Place};
use crate::link::Link;
use crate::quota::{PERIOD, Quota};
use isotare_core::{Driver, EnvironmentSpec, Kind as SettingKind, SettingDef, Settings, WorkloadSpec};
use isotare_drivers::Native;

/// A kind of known overhead.
pub struct Kind {
    /// Its name, which is used in a spec like the name of a driver.
    pub name: &'static str,
    /// One line for help pages.
    pub summary: &'static str,
    /// The settings that it takes.
    pub settings: &'static [SettingDef],
    /// The settings, as in a spec after the colon, that are injected by default.
    pub usual: &'static [&'static str],
    pub(crate) pair: fn(&Settings) -> Result<Pair, String>,
}

/// Every kind, in the order in which they are injected.
pub static KINDS: &[Kind] = &[
    Kind {
        name: "busy-loop",
        summary: "the workload cpu with additional events that are not counted, for example 1 % more",
        settings: &[SettingDef {
            key: "percent",
            kind: SettingKind::Number,
            default: Some("10"),
            help: "additional work that is not counted, in per cent, in steps of 0.1",
        }],
        usual: &["percent=0.5", "percent=1", "percent=2", "percent=5", "percent=10"],
        pair: busy_loop,
    },
    Kind {
        name: "read-delay",
        summary: "cached reads of files with additional reads that are not counted, so that each read takes \
                  longer, for example by 25 %",
        settings: &[SettingDef {
            key: "percent",
            kind: SettingKind::Number,
            default: Some("25"),
            help: "additional reads that are not counted, in per cent of those that are counted, in steps of \
                   0.1",
        }],
        usual: &["percent=5", "percent=25", "percent=100"],
        pair: read_delay,
    },
    Kind {
        name: "cpu-quota",
        summary: "the workload cpu with a smaller quota of one CPU, compared with a quota of 80 %",
        settings: &[SettingDef {
            key: "percent",
            kind: SettingKind::Integer { min: 1, max: LARGER_QUOTA - 1 },
            default: Some("50"),
            help: "the smaller quota, in per cent of one CPU",
        }],
        usual: &["percent=64", "percent=40"],
        pair: cpu_quota,
    },
    Kind {
        name: "link",
        summary: "round trips over a link of known delay (netem) or rate (tbf), compared with a faster link",
        settings: &[
            SettingDef {
                key: "delay",
                kind: SettingKind::Duration,
                default: None,
                help: "delay of the faster link; it has to be much longer than a native round trip, which \
                       takes about 20 us",
            },
            SettingDef {
                key: "rate",
                kind: SettingKind::Number,
                default: None,
                help: "rate of the faster link, Mbit/s",
            },
            SettingDef {
                key: "percent",
                kind: SettingKind::Number,
                default: Some("50"),
                help: "how much longer a round trip takes on the slower link, in per cent",
            },
        ],
        usual: &["rate=150,percent=50", "delay=20ms,percent=50"],
        pair: link,
    },
];

/// The injections of these specs. A spec is a kind, which means its usual injections, or one injection with
/// settings. Without specs, the usual injections of every kind.
pub fn chosen(specs: &[EnvironmentSpec]) -> Result<Vec<Injection>, String> {
    let all: Vec<EnvironmentSpec> = KINDS.iter().map(|kind| EnvironmentSpec::plain(kind.name)).collect();
    let specs = if specs.is_empty() { &all } else { specs };
    let mut injections = Vec::new();
    for spec in specs {
        let kind = find(spec)?;
        match spec.given.as_slice() {
            [] => {
                for settings in kind.usual {
                    let text = format!("{}:{settings}", kind.name);
                    injections.push(Injection::of(&text.parse().map_err(|error| format!("{error}"))?)?);
                }
            }
            _ => injections.push(Injection::of(spec)?),
        }
    }
    Ok(injections)
}

/// The kind that a spec names.
pub(crate) fn find(spec: &EnvironmentSpec) -> Result<&'static Kind, String> {
    KINDS.iter().find(|kind| kind.name == spec.driver).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        format!("the known overhead '{}' does not exist; choose from {}", spec.driver, known.join(", "))
    })
}

/// Events of `cpu` in a trial: a third of a second of a usual machine.
const CPU_EVENTS: u64 = 1000;
/// Reads in a trial: 0.2 s.
const READS: u64 = 50_000;
/// The quota of the baseline, in per cent of one CPU. It leaves the rest for other processes and interrupts,
/// so that they do not slow it down.
pub(crate) const LARGER_QUOTA: u64 = 80;
/// Length of a trial under a quota, in whole periods, so that it does not matter at which point of a period
/// it begins.
const PERIODS: u32 = 5;
/// Round trips of a trial over a link of known rate: 0.4 s.
const ROUND_TRIPS: u64 = 50;

fn workload(name: &str, given: &[(&str, String)]) -> WorkloadSpec {
    let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    WorkloadSpec { name: name.to_owned(), given }
}

/// `counted` events and `percent` more that are not counted.
fn uncounted(workload: WorkloadSpec, counted: u64, percent: f64) -> Result<Pair, String> {
    let more = counted as f64 * percent / 100.0;
    if (more - more.round()).abs() > 1e-6 || more.round() < 1.0 || more > 1e9 {
        return Err(format!("percent={percent} of {counted} events is not a whole number of events"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in 1..=1e9")]
    let done = counted + more.round() as u64;
    Ok(Pair {
        workload,
        baseline: EnvironmentSpec::plain(Native.name()),
        drivers: [(&Native, Vec::new()), (&Native, Vec::new())],
        events: Some((counted, done)),
        true_ratio: done as f64 / counted as f64,
        is_observed: true,
        on_one_cpu: false,
        counts_cpu_time: false,
    })
}

fn percent(settings: &Settings) -> f64 {
    settings.number("percent").unwrap_or(f64::NAN)
}

fn busy_loop(settings: &Settings) -> Result<Pair, String> {
    uncounted(workload("cpu", &[("events", CPU_EVENTS.to_string())]), CPU_EVENTS, percent(settings))
}

fn read_delay(settings: &Settings) -> Result<Pair, String> {
    let given = [("mode", "rndrd".to_owned()), ("total", "16M".to_owned()), ("events", READS.to_string())];
    uncounted(workload("fileio", &given), READS, percent(settings))
}

/// Both conditions have a quota. If one were native without a quota, the ratio would depend on the machine:
/// native loses the time that other processes and interrupts take, but a group under a quota catches up later
/// in the period. For example, if they take 0.6 %, the ratio of native to half a CPU is 1.988 instead of 2.
///
/// The window is given as a time of whole periods. The first period is not counted, because its length
/// depends on the state of the kernel's timer. The window begins and ends in the middle of the granted time
/// of a period, so that no event reaches into a pause. The CPU time is compared, and not the events, because
/// a quota limits CPU time, and a CPU does nearly 1 % less work after a pause. No counters are read, because
/// readings inside would use a part of the quota. Only one CPU is used, because otherwise a part of the quota
/// can be left on another CPU.
fn cpu_quota(settings: &Settings) -> Result<Pair, String> {
    let percent = settings.integer("percent").unwrap_or(50);
    let length = (PERIOD * PERIODS).as_millis();
    let warm_up = (PERIOD + PERIOD * u32::try_from(percent).unwrap_or(100) / 200).as_millis();
    Ok(Pair {
        workload: workload("cpu", &[("time", format!("{length}ms")), ("warmup", format!("{warm_up}ms"))]),
        baseline: EnvironmentSpec {
            given: vec![("percent".to_owned(), LARGER_QUOTA.to_string())],
            ..EnvironmentSpec::plain(Quota.name())
        },
        drivers: [LARGER_QUOTA, percent]
            .map(|part| -> Place { (&Quota, vec![("percent", part.to_string())]) }),
        events: None,
        true_ratio: LARGER_QUOTA as f64 / percent as f64,
        is_observed: false,
        on_one_cpu: true,
        counts_cpu_time: true,
    })
}

/// Two links. Both are so slow that all other times are small compared with them, so the ratio is known. The
/// loopback link carries both directions, so a link of known rate is always busy.
fn link(settings: &Settings) -> Result<Pair, String> {
    let factor = 1.0 + percent(settings) / 100.0;
    let (key, fast, slow, given) = match (settings.number("delay"), settings.number("rate")) {
        (Some(delay), None) => {
            let us = |seconds: f64| format!("{:.0}us", seconds * 1e6);
            ("delay", us(delay), us(delay * factor), vec![("time", "400ms".to_owned())])
        }
        (None, Some(rate)) => {
            let given = vec![("size", "64K".to_owned()), ("events", ROUND_TRIPS.to_string())];
            ("rate", rate.to_string(), (rate / factor).to_string(), given)
        }
        _ => return Err("a link can have a delay or a rate, but not both".to_owned()),
    };
    Ok(Pair {
        workload: workload("network", &given),
        baseline: EnvironmentSpec {
            given: vec![(key.to_owned(), fast.clone())],
            ..EnvironmentSpec::plain(Link.name())
        },
        drivers: [(&Link, vec![(key, fast)]), (&Link, vec![(key, slow)])],
        events: None,
        true_ratio: factor,
        is_observed: true,
        on_one_cpu: false,
        counts_cpu_time: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(text: &str) -> Result<f64, String> {
        Injection::of(&text.parse().expect(text)).map(|injection| injection.true_ratio)
    }

    #[test]
    fn the_known_factor_follows_from_the_settings() {
        for (text, ratio) in [
            ("busy-loop:percent=0.5", 1.005),
            ("busy-loop:percent=50", 1.5),
            ("read-delay:percent=100", 2.0),
            ("cpu-quota:percent=64", 1.25),
            ("link:rate=150,percent=50", 1.5),
            ("link:delay=20ms", 1.5),
        ] {
            assert_eq!(truth(text), Ok(ratio), "{text}");
        }
        for (text, why) in [
            ("busy-loop:percent=0.01", "not a whole number"),
            ("cpu-quota:percent=80", "from 1 to 79"),
            ("link:percent=50", "a delay or a rate"),
            ("sleep:percent=1", "choose from busy-loop, read-delay, cpu-quota, link"),
        ] {
            let error = truth(text).expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_name_of_a_kind_selects_its_usual_injections() {
        let names = |specs: &[&str]| -> Vec<String> {
            let specs: Vec<EnvironmentSpec> = specs.iter().map(|text| text.parse().expect(text)).collect();
            chosen(&specs).expect("valid").iter().map(|found| found.environment.to_string()).collect()
        };
        assert_eq!(names(&["cpu-quota"]), ["cpu-quota:percent=64", "cpu-quota:percent=40"]);
        assert_eq!(names(&["busy-loop:percent=3"]), ["busy-loop:percent=3"]);
        assert_eq!(names(&[]).len(), KINDS.iter().map(|kind| kind.usual.len()).sum::<usize>());
    }
}
