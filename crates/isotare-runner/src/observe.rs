//! What is read about an instance from outside: counters, its cgroup, its limits.

use crate::course::SessionClock;
use crate::trial::TrialWork;
use isotare_cgroup::{Cgroup, Hierarchies, Tasks};
use isotare_core::{
    Footprint, Instance, InstanceContext, MetricDef, Reading, Sample, Throttled, with_sources,
};
use isotare_host::now;
use isotare_samplers::{Collector, Samplers, meters};

/// Reads the host's counters while the work is measured. It is prepared before, so that only the readings are
/// part of the measured time.
pub(crate) fn collector(footprint: Footprint, work: &TrialWork<'_>, cx: &InstanceContext<'_>) -> Collector {
    let samplers = Samplers::all_that_work(&cx.budget.cpus);
    Collector::prepare(footprint, work.rate, samplers, &cx.budget.cpus, now)
}

/// The values of an instance's own counters, as separate metrics: `inside_cpu_user` is the same as `cpu_user`
/// on the host. Unknown counters and values that are not numbers are omitted.
pub(crate) fn inside(counters: Vec<(String, f64)>) -> impl Iterator<Item = Sample> {
    let meters = meters();
    counters.into_iter().filter_map(move |(name, value)| {
        let meter = meters.iter().find(|meter| meter.is_of(&name)).filter(|_| value.is_finite())?;
        let metric =
            MetricDef { name: format!("inside_{name}").into(), headline: false, ..meter.def.clone() };
        Some(Sample::of_sampler(metric, None, value))
    })
}

pub(crate) fn finished(collector: Collector) -> Vec<Reading> {
    let (readings, errors) = collector.finish();
    errors.iter().for_each(|error| tracing::debug!("sampler: {}", with_sources(error)));
    readings
}

/// The instance's cgroup, where it has one.
pub(crate) fn cgroup(instance: &dyn Instance) -> Option<Cgroup> {
    let path = instance.footprint().cgroup?;
    Some(Hierarchies::discover().ok()?.open(&path)).filter(Cgroup::exists)
}

/// The host's limit of processes and threads of the instance; `None`: unknown, because there is no cgroup.
pub(crate) fn process_limit(instance: &dyn Instance, own_kernel: bool) -> Option<String> {
    let tasks = cgroup(instance).map(|group| group.tasks());
    let limit = tasks.flatten().and_then(|tasks| tasks.limit);
    match (own_kernel, limit) {
        (true, Some(limit)) => {
            Some(format!("not limited: it has its own kernel; at most {limit} threads on the host"))
        }
        (true, None) => Some("not limited: it has its own kernel".to_owned()),
        (false, Some(limit)) => Some(limit.to_string()),
        (false, None) => match tasks? {
            Some(_) => Some("not limited".to_owned()),
            None => Some("not limited: the host has no cgroup controller pids".to_owned()),
        },
    }
}

/// How CPU quotas have throttled the instance's cgroup since it was created.
pub(crate) fn throttled(instance: &dyn Instance) -> Option<Throttled> {
    let stats = cgroup(instance)?.stats();
    Some(Throttled { periods: stats.throttled_periods?, time: stats.throttled_ns? as f64 / 1e9 })
}

pub(crate) fn since((before, after): (Throttled, Throttled)) -> Throttled {
    Throttled {
        periods: after.periods.saturating_sub(before.periods),
        time: (after.time - before.time).max(0.0),
    }
}

/// The effect of the instance's limits, if its cgroup reports them: the kernel killed processes, or refused
/// to start more.
pub(crate) fn limits_hit(instance: &dyn Instance) -> String {
    let Some(group) = cgroup(instance) else { return String::new() };
    let killed = match group.stats().oom_kills {
        None | Some(0) => String::new(),
        Some(count) => format!(" (the kernel killed {count} of its processes for the memory limit)"),
    };
    let refused = match group.tasks() {
        Some(Tasks { limit: Some(limit), refused: count @ 1.. }) => {
            let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
            format!(
                "  (the limit of {limit} processes was reached {times}; threads also count; --processes \
                 raises the limit)"
            )
        }
        _ => String::new(),
    };
    killed + &refused
}

/// Readings with times since the session began.
pub(crate) fn relative(mut readings: Vec<Reading>, clock: SessionClock) -> Vec<Reading> {
    for reading in &mut readings {
        reading.at = clock.at(reading.at);
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_counters_with_finite_values_are_used() {
        let told = [("cpu_user", 1.5), ("cpu_user", f64::NAN), ("cpu_user", f64::INFINITY), ("=evil()", 1.0)];
        let samples = inside(told.map(|(name, value)| (name.to_owned(), value)).into());
        let kept: Vec<(String, f64)> =
            samples.map(|sample| (sample.metric.name.into_owned(), sample.value)).collect();
        assert_eq!(kept, [("inside_cpu_user".to_owned(), 1.5)]);
    }
}
