//! A workload whose counted value is replaced: a slow-down by an exact factor, or the CPU time that it got.

use isotare_core::{
    Better, Image, Invalid, JobOutput, MetricDef, Present, Sample, SettingDef, Settings, Workload,
    WorkloadInfo,
};
use isotare_protocol::Job;
use std::path::PathBuf;

/// CPU seconds in a second, all threads together.
pub const CPU_SHARE: MetricDef = MetricDef::headline("cpu_share", "1", Better::Higher);

/// A workload whose samples are counted again.
pub struct Recounted {
    /// The workload.
    pub inner: &'static dyn Workload,
    /// What counts.
    pub counts: Counts,
}

/// What counts of a workload.
#[derive(Clone, Copy, Debug)]
pub enum Counts {
    /// This fraction of its events. The limit by events in its settings is the number of all events. All
    /// events cost the same, so the counted events take longer by the inverse of the fraction, on every
    /// machine and with any noise.
    Share(f64),
    /// The CPU time that it was granted, [`CPU_SHARE`], alone: its events times what each took of it. That is
    /// what a quota grants exactly; a second of it does less work after a pause, when caches and clock
    /// frequency have to come back.
    CpuTime,
}

impl Counts {
    fn again(self, mut samples: Vec<Sample>) -> Result<Vec<Sample>, Invalid> {
        let value = |name: &str| {
            let found = samples.iter().find(|sample| sample.metric.name == name);
            found.map(|sample| sample.value).ok_or_else(|| Invalid(format!("there is no {name}")))
        };
        match self {
            Counts::CpuTime => {
                let share = value("events_per_second")? * value("cpu_per_event")?;
                return Ok(vec![Sample::of_workload(CPU_SHARE, share)]);
            }
            Counts::Share(share) => {
                for sample in &mut samples {
                    // Latencies are of one event, done or counted.
                    match (&*sample.metric.unit, &*sample.metric.name) {
                        ("1/s" | "B/s", _) => sample.value *= share,
                        (_, "cpu_per_event") => sample.value /= share,
                        _ => {}
                    }
                }
            }
        }
        Ok(samples)
    }
}

impl Workload for Recounted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn summary(&self) -> &str {
        self.inner.summary()
    }

    fn settings(&self) -> &[SettingDef] {
        self.inner.settings()
    }

    fn metrics(&self) -> Vec<MetricDef> {
        match self.counts {
            Counts::Share(_) => self.inner.metrics(),
            Counts::CpuTime => vec![CPU_SHARE],
        }
    }

    fn image(&self, settings: &Settings, present: Present<'_>) -> Result<Image, String> {
        self.inner.image(settings, present)
    }

    fn programs(&self, settings: &Settings) -> Vec<PathBuf> {
        self.inner.programs(settings)
    }

    fn info(&self, settings: &Settings) -> WorkloadInfo {
        self.inner.info(settings)
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        self.inner.job(settings)
    }

    fn output_needed(&self) -> usize {
        self.inner.output_needed()
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        self.counts.again(self.inner.decode(output, settings)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Streams;
    use isotare_protocol::{Exit, JobResult};

    struct Fixed;

    impl Workload for Fixed {
        fn name(&self) -> &str {
            "fixed"
        }
        fn summary(&self) -> &str {
            ""
        }
        fn settings(&self) -> &[SettingDef] {
            &[]
        }
        fn metrics(&self) -> Vec<MetricDef> {
            vec![
                MetricDef::headline("events_per_second", "1/s", Better::Higher),
                MetricDef::detail("throughput", "B/s", Better::Higher),
                MetricDef::detail("latency_mean", "s", Better::Lower),
                MetricDef::detail("cpu_per_event", "s", Better::Lower),
            ]
        }
        fn image(&self, _: &Settings, _: Present<'_>) -> Result<Image, String> {
            Ok(Image::default())
        }
        fn info(&self, _: &Settings) -> WorkloadInfo {
            WorkloadInfo::default()
        }
        fn job(&self, _: &Settings) -> Result<Job, String> {
            Err("it runs nowhere".to_owned())
        }
        fn decode(&self, _: &JobOutput, _: &Settings) -> Result<Vec<Sample>, Invalid> {
            let sample = |metric| Sample::of_workload(metric, 150.0);
            Ok(self.metrics().into_iter().map(sample).collect())
        }
    }

    #[test]
    fn rates_use_counted_events_and_latencies_use_real_ones() {
        let slowed = Recounted { inner: &Fixed, counts: Counts::Share(100.0 / 150.0) };
        let result = JobResult::Command { exit: Exit::Code(0), runs: Vec::new() };
        let output = JobOutput { result, streams: Streams::default() };
        let values = |workload: &Recounted| -> Vec<f64> {
            let samples = workload.decode(&output, &Settings::default()).expect("decodes");
            samples.iter().map(|sample| sample.value).collect()
        };
        assert_eq!(values(&slowed), [100.0, 100.0, 150.0, 225.0]);
        assert_eq!(values(&Recounted { inner: &Fixed, counts: Counts::CpuTime }), [150.0 * 150.0]);
    }
}
