//! `memory`: reading or writing blocks, as in sysbench.

use super::report::{self, invalid};
use super::schedule::{self, EVENTS, INTERVAL, THREADS, TIME, WARMUP};
use isotare_core::{
    Better, Image, Invalid, JobOutput, Kind as SettingKind, MetricDef, Present, Sample, SettingDef, Settings,
    Workload, WorkloadInfo,
};
use isotare_protocol::{Access, Job, Kind, MemoryJob, Operation};

/// Moving words between registers and memory.
pub struct Memory;

// sysbench's default block of 1 KiB takes less time than the two readings of the clock around it, so it would
// measure the clock. A block of 1 MiB measures memory (the second-level cache and beyond).
const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "block",
        kind: SettingKind::Size,
        default: Some("1M"),
        help: "bytes of one event; each thread has its own block",
    },
    SettingDef {
        key: "total",
        kind: SettingKind::Size,
        default: None,
        help: "end after this many bytes, all threads together",
    },
    SettingDef {
        key: "oper",
        kind: SettingKind::Choice(&["write", "read"]),
        default: Some("write"),
        help: "direction",
    },
    SettingDef {
        key: "access",
        kind: SettingKind::Choice(&["seq", "rnd"]),
        default: Some("seq"),
        help: "order in which the words of a block are accessed",
    },
    THREADS,
    TIME,
    EVENTS,
    WARMUP,
    INTERVAL,
];

fn job(settings: &Settings) -> Result<MemoryJob, String> {
    let operation = match settings.text("oper") {
        Some("read") => Operation::Read,
        _ => Operation::Write,
    };
    let access = match settings.text("access") {
        Some("rnd") => Access::Random,
        _ => Access::Sequential,
    };
    let block = schedule::integer(settings, "block")?;
    if block == 0 || !block.is_multiple_of(8) {
        return Err(format!("setting 'block' cannot be {block}; it has to be a multiple of 8 bytes"));
    }
    Ok(MemoryJob { block, total: settings.integer("total").unwrap_or(0), operation, access })
}

impl Workload for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn summary(&self) -> &str {
        "reads or writes of memory blocks, like sysbench memory"
    }

    fn settings(&self) -> &[SettingDef] {
        SETTINGS
    }

    fn metrics(&self) -> Vec<MetricDef> {
        report::metrics(&[MetricDef::headline("throughput", "B/s", Better::Higher)])
    }

    fn image(&self, _: &Settings, _: Present<'_>) -> Result<Image, String> {
        Ok(Image::default())
    }

    fn info(&self, settings: &Settings) -> WorkloadInfo {
        schedule::info(settings, [])
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        let memory = job(settings)?;
        let ends = (memory.total > 0).then(|| memory.total.div_ceil(memory.block));
        let mut job = schedule::job(Kind::Memory(memory), settings)?;
        if let (Job::Builtin(builtin), Some(ends)) = (&mut job, ends) {
            // A total is a limit by events. If no time is given, the job then has no time limit.
            builtin.limit.events = Some(builtin.limit.events.map_or(ends, |events| events.min(ends)));
            if settings.get("time").is_none() {
                builtin.limit.duration_ms = None;
            }
        }
        Ok(job)
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let memory = job(settings).map_err(Invalid)?;
        let mut checked = report::check(output, &self.job(settings).map_err(Invalid)?, self.metrics())?;
        let report = checked.report;
        let moved = match memory.operation {
            Operation::Read => (report.bytes_read, report.bytes_written),
            Operation::Write => (report.bytes_written, report.bytes_read),
        };
        if moved != (report.events.saturating_mul(memory.block), 0) {
            return invalid(format!(
                "{} events of {} bytes moved {} bytes",
                report.events, memory.block, moved.0
            ));
        }
        checked.push_rate("throughput", moved.0);
        Ok(checked.into_samples())
    }
}
