//! One known overhead: two conditions, and the true ratio.

use crate::kinds::find;
use crate::recounted::{Counts, Recounted};
use isotare_core::{
    Budget, Condition, CpuSet, Driver, EnvironmentSpec, Plan, Settings, Workload, WorkloadSpec,
};
use isotare_plan::Design;
use isotare_runner::Work;

/// A driver with the settings that it is to get.
pub(crate) type Place = (&'static dyn Driver, Vec<(&'static str, String)>);

/// The two conditions that a kind makes from its settings.
pub(crate) struct Pair {
    /// What is run in both.
    pub workload: WorkloadSpec,
    /// What it is compared with.
    pub baseline: EnvironmentSpec,
    /// Of the baseline and of what is slower.
    pub drivers: [Place; 2],
    /// The number of counted events, and the number of events that the slower condition does, if they differ.
    pub events: Option<(u64, u64)>,
    /// How much longer the slower one takes.
    pub true_ratio: f64,
    /// Whether counters are read while it works.
    pub is_observed: bool,
    /// Whether it gets one CPU of the budget only.
    pub on_one_cpu: bool,
    /// Whether the CPU time is compared instead of the work. The true ratio is then correct only if the
    /// baseline got all of its quota.
    pub counts_cpu_time: bool,
}

/// A known overhead.
pub struct Injection {
    /// Its kind.
    pub kind: &'static str,
    /// What is slower, as a condition: the injection's own spec.
    pub environment: EnvironmentSpec,
    /// The true ratio of the times. It is known exactly, and does not depend on the session's measurements.
    pub true_ratio: f64,
    pair: Pair,
}

impl Injection {
    /// The injection that a spec describes, such as `busy-loop:percent=1`. The error says what is wrong with
    /// it.
    pub fn of(spec: &EnvironmentSpec) -> Result<Self, String> {
        let kind = find(spec)?;
        let settings = Settings::check(&format!("known overhead {}", kind.name), kind.settings, spec.pairs())
            .map_err(|error| error.to_string())?;
        let pair = (kind.pair)(&settings).map_err(|why| format!("known overhead '{spec}': {why}"))?;
        Ok(Self { kind: kind.name, environment: spec.clone(), true_ratio: pair.true_ratio, pair })
    }

    /// What it is compared with.
    pub fn baseline(&self) -> &EnvironmentSpec {
        &self.pair.baseline
    }

    /// What is run in both.
    pub fn workload(&self) -> &WorkloadSpec {
        &self.pair.workload
    }

    /// Whether the CPU time granted is compared in place of the work.
    pub fn counts_cpu_time(&self) -> bool {
        self.pair.counts_cpu_time
    }

    /// The ordinary design of its session; blocks, level, budget and seed are those of `base`.
    pub fn design(&self, base: &Design) -> Design {
        let first = self.pair.on_one_cpu.then(|| base.budget.cpus.iter().next()).flatten();
        let cpus = CpuSet::new(first).unwrap_or_else(|| base.budget.cpus.clone());
        Design {
            environments: vec![self.environment.clone()],
            workloads: vec![self.pair.workload.clone()],
            baseline: self.pair.baseline.clone(),
            null_test: false,
            budget: Budget { cpus, ..base.budget.clone() },
            ..base.clone()
        }
    }

    /// Both drivers with their settings: of the baseline and of what is slower.
    pub fn drivers(&self) -> Result<[(&EnvironmentSpec, &'static dyn Driver, Settings); 2], String> {
        let specs = [&self.pair.baseline, &self.environment];
        let [baseline, slower] = &self.pair.drivers;
        Ok([placed(specs[0], baseline)?, placed(specs[1], slower)?])
    }

    /// What the conditions of its plan mean, in the plan's order.
    pub fn works(&self, plan: &Plan) -> Result<Vec<Work>, String> {
        plan.conditions.iter().map(|condition| self.work(condition)).collect()
    }

    fn work(&self, condition: &Condition) -> Result<Work, String> {
        let is_slower = condition.environment == self.environment;
        let [baseline, slower] = self.drivers()?;
        let (_, driver, driver_settings) = if is_slower { slower } else { baseline };
        let spec = &self.pair.workload;
        let inner = isotare_workloads::find(&spec.name)
            .ok_or_else(|| format!("the workload '{}' is not known", spec.name))?;
        let mut given = spec.given.clone();
        let mut workload: Box<dyn Workload> = Box::new(inner);
        if let (Some((counted, done)), true) = (self.pair.events, is_slower) {
            given.retain(|(key, _)| key != "events");
            given.push(("events".to_owned(), done.to_string()));
            workload = Box::new(Recounted { inner, counts: Counts::Share(counted as f64 / done as f64) });
        }
        if self.pair.counts_cpu_time {
            workload = Box::new(Recounted { inner, counts: Counts::CpuTime });
        }
        let pairs = given.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let settings = Settings::check(&format!("workload {}", spec.name), inner.settings(), pairs)
            .map_err(|error| error.to_string())?;
        Ok(Work {
            driver: (driver, driver_settings),
            workload,
            settings,
            fixed: Vec::new(),
            is_observed: self.pair.is_observed,
        })
    }
}

fn placed<'a>(
    spec: &'a EnvironmentSpec,
    (driver, given): &Place,
) -> Result<(&'a EnvironmentSpec, &'static dyn Driver, Settings), String> {
    let pairs = given.iter().map(|(key, value)| (*key, value.as_str()));
    let settings = Settings::check(&format!("driver {}", driver.name()), driver.settings(), pairs)
        .map_err(|error| error.to_string())?;
    Ok((spec, *driver, settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::chosen;
    use isotare_protocol::Job;

    fn base() -> Design {
        let cpus = CpuSet::new([2, 3]).expect("two");
        Design::new(Budget { cpus, memory: 1 << 30, processes: None }, 7)
    }

    #[test]
    fn every_usual_injection_is_an_ordinary_plan_of_two_conditions() {
        for injection in chosen(&[]).expect("valid") {
            let plan = isotare_plan::plan(&injection.design(&base())).expect("a valid design");
            assert_eq!(plan.conditions.len(), 2, "{}", injection.environment);
            assert_eq!(&plan.baseline, injection.baseline());
            let works = injection.works(&plan).expect("works");
            for work in &works {
                work.workload.job(&work.settings).expect("a job");
            }
            assert_eq!(plan.budget.cpus.count() == 1, injection.kind == "cpu-quota");
        }
    }

    #[test]
    fn an_injected_condition_does_more_work_than_the_baseline() {
        let injection = Injection::of(&"busy-loop:percent=0.5".parse().expect("a spec")).expect("valid");
        let plan = isotare_plan::plan(&injection.design(&base())).expect("a valid design");
        let events = |work: &Work| match work.workload.job(&work.settings) {
            Ok(Job::Builtin(job)) => job.limit.events,
            other => panic!("{other:?}"),
        };
        let done: Vec<_> = injection.works(&plan).expect("works").iter().map(events).collect();
        assert_eq!(plan.conditions[0].environment.to_string(), "native");
        assert_eq!(done, [Some(1000), Some(1005)]);
    }
}
