//! Watches for disturbances of a session: the canary before and after each trial, and the counters of the
//! host in between.

use crate::canary::Canaries;
use isotare_core::{
    Canary, CpuSet, Footprint, HostNoise, Interrupt, Noise, Reading, Sample, Throttled, Timestamp,
    with_sources,
};
use isotare_host::{deadline_in, now, pause};
use isotare_samplers::{Samplers, meters, summarise};
use isotare_stats::median;
use std::time::Duration;

/// Number of canaries for the reference, which is their median.
const REFERENCES: u32 = 9;
/// Time between them, so that one short disturbance does not affect all of them.
const BETWEEN: Duration = Duration::from_millis(40);
/// A canary that is no older stands for the moment before the next trial, too: nothing runs in between.
const FRESH: Duration = Duration::from_millis(100);
/// The sampler that reads the whole host.
const HOST: &str = "host";

/// Watches one session.
pub(crate) struct Watch {
    canaries: Canaries,
    reference: Canary,
    cpus: CpuSet,
    /// The canary after the last trial, and when it had ended.
    last: Option<(Timestamp, Canary)>,
}

/// The readings before a trial.
pub(crate) struct Before {
    canary: Canary,
    samplers: Samplers,
    readings: Vec<Reading>,
}

impl Watch {
    /// Takes the reference.
    pub(crate) fn new(cpus: &CpuSet, interrupt: &Interrupt) -> Self {
        let mut canaries = Canaries::new(cpus);
        let mut seen = vec![canaries.run()];
        let deadline = deadline_in(BETWEEN * (2 * REFERENCES), interrupt);
        while seen.len() < REFERENCES as usize && pause(BETWEEN, &deadline).is_ok() {
            seen.push(canaries.run());
        }
        Self { canaries, reference: middle(&seen), cpus: cpus.clone(), last: None }
    }

    /// To be called immediately before an instance is created.
    pub(crate) fn before(&mut self) -> Before {
        let fresh = self.last.take().filter(|(at, _)| now().since(*at) <= FRESH);
        let canary = fresh.map_or_else(|| self.canaries.run(), |(_, canary)| canary);
        // Where the host cannot be read, its counters are absent.
        let samplers = Samplers::open(&[HOST], &self.cpus).unwrap_or_default();
        let mut before = Before { canary, samplers, readings: Vec::new() };
        before.read();
        before
    }

    /// To be called immediately after it was deleted.
    pub(crate) fn after(&mut self, mut before: Before, throttled: Option<Throttled>) -> Noise {
        before.samplers.closing.raise();
        before.read();
        let host = host_noise(&summarise(&before.readings, &meters()));
        let after = self.canaries.run();
        self.last = Some((now(), after));
        Noise { reference: self.reference, before: before.canary, after, host, throttled }
    }
}

impl Before {
    fn read(&mut self) {
        let at = now();
        for sampler in &mut self.samplers.list {
            if let Err(error) = sampler.read(&Footprint::default(), at, &mut self.readings) {
                tracing::debug!("sampler: {}", with_sources(&error));
            }
        }
    }
}

/// The median of each part.
fn middle(seen: &[Canary]) -> Canary {
    let of =
        |part: fn(&Canary) -> f64| median(&seen.iter().map(part).collect::<Vec<_>>()).unwrap_or(f64::NAN);
    Canary {
        integer: of(|canary| canary.integer),
        memory: of(|canary| canary.memory),
        waited: of(|canary| canary.waited),
    }
}

fn host_noise(samples: &[Sample]) -> HostNoise {
    let value = |name: &str| Some(samples.iter().find(|sample| sample.metric.name == name)?.value);
    HostNoise {
        pressure_cpu: value("host_pressure_cpu"),
        pressure_memory: value("host_pressure_memory"),
        pressure_io: value("host_pressure_io"),
        steal: value("host_cpu_steal"),
        run_delay: value("host_run_delay"),
        major_faults: value("host_major_faults"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_of_noise_has_a_meter() {
        let all: Vec<Sample> =
            meters().into_iter().map(|meter| Sample::of_sampler(meter.def, None, 1.0)).collect();
        let one = Some(1.0);
        let expected = HostNoise {
            pressure_cpu: one,
            pressure_memory: one,
            pressure_io: one,
            steal: one,
            run_delay: one,
            major_faults: one,
        };
        assert_eq!((host_noise(&all), host_noise(&[])), (expected, HostNoise::default()));
    }

    #[test]
    fn a_trial_of_this_process_is_watched() {
        let cpus = CpuSet::new([0]).expect("not empty");
        let mut watch = Watch::new(&cpus, &Interrupt::default());
        let before = watch.before();
        let noise = watch.after(before, None);
        assert!(noise.reference.integer > 0.0 && noise.reference.memory > 0.0);
        assert!(noise.host.major_faults.is_some_and(|faults| faults >= 0.0), "{noise:?}");
        assert_eq!(noise.throttled, None);
    }

    #[test]
    fn after_an_interrupt_there_is_at_least_one_reference() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        assert!(Watch::new(&CpuSet::new([0]).expect("not empty"), &interrupt).reference.integer > 0.0);
    }
}
