//! Work measured by the CPU time that it was granted.

use isotare_core::{
    Better, Image, Invalid, JobOutput, MetricDef, Present, Sample, SettingDef, Settings, Workload,
};
use isotare_protocol::Job;
use std::path::PathBuf;

/// CPU seconds in a second, all threads together.
pub const CPU_SHARE: MetricDef = MetricDef::headline("cpu_share", "1", Better::Higher);

/// A workload of which only the CPU time counts: its events times what each took of it. That is what a quota grants exactly;
/// a second of it does less work after a pause, when caches and clock frequency have to come back.
pub struct CpuTime {
    /// The workload, which tells events per second and CPU time per event.
    pub inner: &'static dyn Workload,
}

impl Workload for CpuTime {
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
        vec![CPU_SHARE]
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
        let samples = self.inner.decode(output, settings)?;
        let value = |name: &str| {
            let found = samples.iter().find(|sample| sample.metric.name == name);
            found.map(|sample| sample.value).ok_or_else(|| Invalid(format!("there is no {name}")))
        };
        let share = value("events_per_second")? * value("cpu_per_event")?;
        Ok(vec![Sample { metric: CPU_SHARE, role: None, value: share }])
    }
}
