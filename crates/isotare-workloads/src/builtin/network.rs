//! `network`: messages back and forth over the instance's own loopback link.

use super::report::{self, EVENTS_PER_SECOND, invalid};
use super::schedule::{self, EVENTS, INTERVAL, THREADS, TIME, WARMUP};
use isotare_core::{
    Better, Dependence, Image, Invalid, JobOutput, Kind as SettingKind, MetricDef, Present, Sample,
    SettingDef, Settings, Workload, WorkloadInfo,
};
use isotare_protocol::{Job, Kind};

/// The network stack that serves the instance: the host's, a guest kernel's or a sandbox's own.
pub struct Network;

const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "size",
        kind: SettingKind::Size,
        default: Some("64"),
        help: "bytes of a message, which is sent and received back in each event",
    },
    THREADS,
    TIME,
    EVENTS,
    WARMUP,
    INTERVAL,
];

impl Workload for Network {
    fn name(&self) -> &str {
        "network"
    }

    fn summary(&self) -> &str {
        "round trips over TCP on the loopback link"
    }

    fn settings(&self) -> &[SettingDef] {
        SETTINGS
    }

    fn metrics(&self) -> Vec<MetricDef> {
        let mut metrics = report::metrics(&[MetricDef::headline(EVENTS_PER_SECOND, "1/s", Better::Higher)]);
        metrics.push(MetricDef::detail("throughput", "B/s", Better::Higher));
        metrics
    }

    fn image(&self, _: &Settings, _: Present<'_>) -> Result<Image, String> {
        Ok(Image::default())
    }

    fn info(&self, settings: &Settings) -> WorkloadInfo {
        schedule::info(settings, [Dependence::Loopback])
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        let size = schedule::integer(settings, "size")?;
        if size == 0 {
            return Err("setting 'size' cannot be 0; it has to be at least 1 byte".to_owned());
        }
        schedule::job(Kind::Network { size }, settings)
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let size = schedule::integer(settings, "size").map_err(Invalid)?;
        let mut checked = report::check(output, &self.job(settings).map_err(Invalid)?, self.metrics())?;
        let report = checked.report;
        let expected = report.events.saturating_mul(size);
        if (report.bytes_read, report.bytes_written) != (expected, expected) {
            return invalid(format!(
                "{} round trips of {size} bytes sent {} and received {}",
                report.events, report.bytes_written, report.bytes_read
            ));
        }
        checked.push_rate("throughput", report.bytes_read.saturating_add(report.bytes_written));
        Ok(checked.into_samples())
    }
}
