//! Work that is done and not counted: a slow-down by an exact factor.

use isotare_core::{Image, Invalid, JobOutput, MetricDef, Present, Sample, SettingDef, Settings, Workload};
use isotare_protocol::Job;
use std::path::PathBuf;

/// A workload that ends after `done` events and says that it did `counted` of them. Each event is as dear as every other,
/// so what it counts takes `done / counted` times as long, whatever the machine and its noise do.
pub struct Uncounted {
    /// The workload. Its settings hold `done` as the limit by events.
    pub inner: &'static dyn Workload,
    /// Events done.
    pub done: u64,
    /// Events counted.
    pub counted: u64,
}

impl Workload for Uncounted {
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
        self.inner.metrics()
    }

    fn image(&self, settings: &Settings, present: Present<'_>) -> Result<Image, String> {
        self.inner.image(settings, present)
    }

    fn programs(&self, settings: &Settings) -> Vec<PathBuf> {
        self.inner.programs(settings)
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        self.inner.job(settings)
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let mut samples = self.inner.decode(output, settings)?;
        let share = self.counted as f64 / self.done as f64;
        for sample in &mut samples {
            // Latencies are of one event, done or counted.
            match (&*sample.metric.unit, &*sample.metric.name) {
                ("1/s" | "B/s", _) => sample.value *= share,
                (_, "cpu_per_event") => sample.value /= share,
                _ => {}
            }
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Better;
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
        fn job(&self, _: &Settings) -> Result<Job, String> {
            Err("it runs nowhere".to_owned())
        }
        fn decode(&self, _: &JobOutput, _: &Settings) -> Result<Vec<Sample>, Invalid> {
            let sample = |metric| Sample { metric, role: None, value: 150.0 };
            Ok(self.metrics().into_iter().map(sample).collect())
        }
    }

    #[test]
    fn rates_are_of_what_is_counted_and_latencies_of_what_is_done() {
        let slowed = Uncounted { inner: &Fixed, done: 150, counted: 100 };
        let result = JobResult::Command { exit: Exit::Code(0), runs: Vec::new() };
        let output = JobOutput { result, stdout: Vec::new(), stderr: Vec::new() };
        let values: Vec<f64> =
            slowed.decode(&output, &Settings::default()).expect("decodes").iter().map(|s| s.value).collect();
        assert_eq!(values, [100.0, 100.0, 150.0, 225.0]);
    }
}
