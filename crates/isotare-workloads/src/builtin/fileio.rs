//! `fileio`: reads, writes and syncs of prepared files, as in sysbench.

use super::report::{self, Checked, invalid};
use super::schedule::{self, EVENTS, INTERVAL, THREADS, TIME, WARMUP};
use isotare_core::{
    Better, Dependence, Image, Invalid, JobOutput, Kind as SettingKind, MetricDef, Present, Sample,
    SettingDef, Settings, Workload, WorkloadInfo,
};
use isotare_protocol::{FileMode, FileioJob, Job, Kind, Pattern};

/// The file system of the data folder.
pub struct Fileio;

const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "mode",
        kind: SettingKind::Choice(&["rndrw", "rndrd", "rndwr", "seqrd", "seqwr"]),
        default: Some("rndrw"),
        help: "what an event does",
    },
    SettingDef {
        key: "files",
        kind: SettingKind::Integer { min: 1, max: 1 << 16 },
        default: Some("16"),
        help: "number of files",
    },
    SettingDef {
        key: "total",
        kind: SettingKind::Size,
        default: Some("64M"),
        help: "bytes in all files together",
    },
    SettingDef {
        key: "block",
        kind: SettingKind::Size,
        default: Some("16K"),
        help: "bytes of one read or write",
    },
    SettingDef {
        key: "fsync-every",
        kind: SettingKind::Integer { min: 0, max: 1 << 31 },
        default: Some("100"),
        help: "sync every file after this number of operations; 0: never",
    },
    SettingDef {
        key: "fsync-end",
        kind: SettingKind::Flag,
        default: Some("true"),
        help: "sync every file at the end of the measured part",
    },
    SettingDef {
        key: "io",
        kind: SettingKind::Choice(&["buffered", "direct", "sync"]),
        default: Some("buffered"),
        help: "how files are accessed: through the page cache, without the page cache (direct), or with \
               every write synced",
    },
    SettingDef {
        key: "rw-ratio",
        kind: SettingKind::Number,
        default: Some("1.5"),
        help: "number of reads for each write in mode rndrw",
    },
    THREADS,
    TIME,
    EVENTS,
    WARMUP,
    INTERVAL,
];

fn job(settings: &Settings) -> Result<FileioJob, String> {
    let mode = match settings.text("mode") {
        Some("rndrd") => FileMode::RandomRead,
        Some("rndwr") => FileMode::RandomWrite,
        Some("seqrd") => FileMode::SeqRead,
        Some("seqwr") => FileMode::SeqWrite,
        _ => FileMode::RandomReadWrite,
    };
    let pattern = match settings.text("io") {
        Some("direct") => Pattern::Direct,
        Some("sync") => Pattern::Sync,
        _ => Pattern::Buffered,
    };
    let block = schedule::integer(settings, "block")?;
    if block == 0 || !block.is_multiple_of(512) {
        return Err(format!("setting 'block' cannot be {block}; it has to be a multiple of 512 bytes"));
    }
    let (files, total) = (schedule::narrow(settings, "files")?, schedule::integer(settings, "total")?);
    if total / u64::from(files) < block {
        return Err(format!(
            "with {total} bytes in {files} files, a file is smaller than a block of {block} bytes"
        ));
    }
    Ok(FileioJob {
        mode,
        files,
        total,
        block,
        fsync_every: schedule::narrow(settings, "fsync-every")?,
        fsync_end: settings.flag("fsync-end"),
        pattern,
        read_write_ratio: settings.number("rw-ratio").unwrap_or(1.5),
    })
}

impl Workload for Fileio {
    fn name(&self) -> &str {
        "fileio"
    }

    fn summary(&self) -> &str {
        "reads, writes and syncs of files in the data folder, like sysbench fileio"
    }

    fn settings(&self) -> &[SettingDef] {
        SETTINGS
    }

    fn metrics(&self) -> Vec<MetricDef> {
        let mut metrics = report::metrics(&[MetricDef::headline("throughput", "B/s", Better::Higher)]);
        let rates = ["reads_per_second", "writes_per_second", "fsyncs_per_second"];
        metrics.extend(rates.map(|name| MetricDef::detail(name, "1/s", Better::Higher)));
        metrics
    }

    fn image(&self, _: &Settings, _: Present<'_>) -> Result<Image, String> {
        Ok(Image::default())
    }

    fn info(&self, settings: &Settings) -> WorkloadInfo {
        schedule::info(settings, [Dependence::Files])
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        schedule::job(Kind::Fileio(job(settings)?), settings)
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let fileio = job(settings).map_err(Invalid)?;
        let mut checked = report::check(output, &self.job(settings).map_err(Invalid)?, self.metrics())?;
        check_operations(&checked, &fileio)?;
        let report = checked.report;
        let [reads, writes, fsyncs] = report.operations;
        checked.push_rate("throughput", report.bytes_read.saturating_add(report.bytes_written));
        checked.push_rate("reads_per_second", reads);
        checked.push_rate("writes_per_second", writes);
        checked.push_rate("fsyncs_per_second", fsyncs);
        Ok(checked.into_samples())
    }
}

fn check_operations(checked: &Checked<'_>, job: &FileioJob) -> Result<(), Invalid> {
    let report = checked.report;
    let [reads, writes, fsyncs] = report.operations;
    let (may_read, may_write) = match job.mode {
        FileMode::SeqRead | FileMode::RandomRead => (true, false),
        FileMode::SeqWrite | FileMode::RandomWrite => (false, true),
        FileMode::RandomReadWrite => (true, true),
    };
    // The syncs at the end belong to the measured part, but they are not events.
    let at_end = if may_write && job.fsync_end { u64::from(job.files) } else { 0 };
    if reads.saturating_add(writes).saturating_add(fsyncs) != report.events.saturating_add(at_end) {
        return invalid(format!(
            "{} events and {at_end} syncs at the end, but {reads} reads, {writes} writes and {fsyncs} syncs",
            report.events
        ));
    }
    if (reads > 0 && !may_read) || (writes > 0 && !may_write) || fsyncs < at_end {
        return invalid(format!("{reads} reads, {writes} writes and {fsyncs} syncs in mode {:?}", job.mode));
    }
    for (name, bytes, count) in [("read", report.bytes_read, reads), ("wrote", report.bytes_written, writes)]
    {
        if bytes != count.saturating_mul(job.block) {
            return invalid(format!("{count} operations of {} bytes {name} {bytes} bytes", job.block));
        }
    }
    Ok(())
}
