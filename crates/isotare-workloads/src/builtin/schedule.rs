//! The settings that every built-in workload has: the number of threads, and when to begin and end.

use isotare_core::{Dependence, Kind as SettingKind, SettingDef, Settings, WorkloadInfo};
use isotare_protocol::{Builtin, Job, Kind, Limit};

/// Many short trials in many blocks find smaller differences than few long trials, because noise that lasts
/// longer than a trial cancels in the ratio of its block.
const DEFAULT_TIME_MS: u64 = 300;

/// Worker threads.
pub const THREADS: SettingDef = SettingDef {
    key: "threads",
    kind: SettingKind::Integer { min: 1, max: 4096 },
    default: Some("1"),
    help: "worker threads",
};
/// Length of the measured part.
pub const TIME: SettingDef = SettingDef {
    key: "time",
    kind: SettingKind::Duration,
    default: None,
    help: "length of the measured part; default: 300ms, unless events is given",
};
/// Events in the measured part.
pub const EVENTS: SettingDef = SettingDef {
    key: "events",
    kind: SettingKind::Integer { min: 1, max: u64::MAX },
    default: None,
    help: "end after this many events, all threads together",
};
/// Warm-up.
pub const WARMUP: SettingDef = SettingDef {
    key: "warmup",
    kind: SettingKind::Duration,
    default: Some("100ms"),
    help: "length of the warm-up before it, which is not counted",
};
/// Intervals.
pub const INTERVAL: SettingDef = SettingDef {
    key: "interval",
    kind: SettingKind::Duration,
    default: Some("100ms"),
    help: "length of the intervals in which events are also counted",
};

/// The job of this kind with the shared settings.
pub fn job(kind: Kind, settings: &Settings) -> Result<Job, String> {
    job_of(kind, narrow(settings, "threads")?, settings)
}

/// [`job`] of a workload whose number of threads has another name.
pub fn job_of(kind: Kind, threads: u32, settings: &Settings) -> Result<Job, String> {
    Ok(Job::Builtin(Builtin {
        kind,
        threads,
        limit: limit(settings)?,
        warmup_ms: milliseconds(settings, "warmup")?.unwrap_or(0),
        interval_ms: milliseconds(settings, "interval")?.unwrap_or(0),
    }))
}

/// What is needed to interpret the figures of a built-in workload.
pub fn info<const N: usize>(settings: &Settings, depends_on: [Dependence; N]) -> WorkloadInfo {
    let threads = narrow(settings, "threads").ok();
    WorkloadInfo { depends_on: depends_on.into(), threads, ..WorkloadInfo::default() }
}

fn limit(settings: &Settings) -> Result<Limit, String> {
    let events = settings.integer("events");
    let duration_ms = match (milliseconds(settings, "time")?, events) {
        (Some(0), _) => return Err("setting 'time' is too short: it must be at least 1ms".to_owned()),
        (Some(given), _) => Some(given),
        (None, None) => Some(DEFAULT_TIME_MS),
        (None, Some(_)) => None,
    };
    Ok(Limit { duration_ms, events })
}

fn milliseconds(settings: &Settings, key: &str) -> Result<Option<u64>, String> {
    let Some(given) = settings.get(key) else { return Ok(None) };
    let length = settings.duration(key).ok_or_else(|| format!("setting '{key}' cannot be {given}"))?;
    u64::try_from(length.as_millis()).map(Some).map_err(|_| format!("setting '{key}' is too long: {given}"))
}

/// A whole number that fits the wire's 32 bits.
pub fn narrow(settings: &Settings, key: &str) -> Result<u32, String> {
    let value = settings.integer(key).ok_or_else(|| format!("setting '{key}' is missing"))?;
    u32::try_from(value).map_err(|_| format!("setting '{key}' is too large: {value}"))
}

/// A whole number or size.
pub fn integer(settings: &Settings, key: &str) -> Result<u64, String> {
    settings.integer(key).ok_or_else(|| format!("setting '{key}' is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_was_given_or_the_default_time() {
        let defs = [THREADS, TIME, EVENTS, WARMUP, INTERVAL];
        let limit = |given: &[(&str, &str)]| {
            limit(&Settings::check("w", &defs, given.iter().copied()).expect("valid"))
        };
        assert_eq!(limit(&[]), Ok(Limit { duration_ms: Some(DEFAULT_TIME_MS), events: None }));
        assert_eq!(limit(&[("events", "5")]), Ok(Limit { duration_ms: None, events: Some(5) }));
        let both = Limit { duration_ms: Some(20), events: Some(5) };
        assert_eq!(limit(&[("events", "5"), ("time", "20ms")]), Ok(both));
        assert!(limit(&[("time", "0")]).is_err());
    }
}
