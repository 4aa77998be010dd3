//! The original sysbench of the host's package, which runs in every environment. It is a check of the
//! built-in workloads, and it is easy to repeat by hand.

mod output;

use crate::closure::{closure, files};
use crate::command::quote;
use isotare_core::{
    Better, Dependence, Image, Invalid, JobOutput, Kind, MetricDef, Present, Sample, SettingDef, Settings,
    Value, Workload, WorkloadInfo,
};
use isotare_protocol::{CommandJob, Job, JobResult, Repetition};
use output::Output;
use std::path::PathBuf;

/// The program, looked up in `PATH`.
const PROGRAM: &str = "sysbench";
/// Maximum size of a report, bytes. A report with a line for each second and a histogram of 1024 lines is
/// much smaller.
const MOST_OUTPUT: usize = 1 << 20;
/// Tests of files need their files made first and removed last. The script is fixed; settings are its
/// arguments.
const FILEIO: &str = r#""$@" prepare >&2 && "$@" run; status=$?; "$@" cleanup >&2; exit $status"#;
const SHELL: &str = "/bin/sh";
const TESTS: &[&str] = &["cpu", "memory", "threads", "mutex", "fileio"];

/// sysbench 1.0's built-in tests.
pub struct Sysbench;

const fn integer(key: &'static str, default: Option<&'static str>, help: &'static str) -> SettingDef {
    SettingDef { key, kind: Kind::Integer { min: 0, max: 1 << 31 }, default, help }
}

const fn size(key: &'static str, help: &'static str) -> SettingDef {
    SettingDef { key, kind: Kind::Size, default: None, help }
}

const fn choice(key: &'static str, words: &'static [&'static str], help: &'static str) -> SettingDef {
    SettingDef { key, kind: Kind::Choice(words), default: None, help }
}

const SETTINGS: &[SettingDef] = &[
    SettingDef { key: "test", kind: Kind::Choice(TESTS), default: Some("cpu"), help: "which test" },
    integer("threads", Some("1"), "worker threads"),
    integer("time", Some("1"), "length in whole seconds; 0: no limit"),
    integer("events", None, "end after this many events"),
    integer("cpu-max-prime", None, "of test cpu"),
    size("memory-block-size", "of test memory"),
    size("memory-total-size", "of test memory"),
    choice("memory-scope", &["global", "local"], "of test memory"),
    choice("memory-oper", &["read", "write", "none"], "of test memory"),
    choice("memory-access-mode", &["seq", "rnd"], "of test memory"),
    integer("thread-yields", None, "of test threads"),
    integer("thread-locks", None, "of test threads"),
    integer("mutex-num", None, "of test mutex"),
    integer("mutex-locks", None, "of test mutex"),
    integer("mutex-loops", None, "of test mutex"),
    integer("file-num", None, "of test fileio; 16 if not given"),
    size("file-total-size", "of test fileio; 64M if not given"),
    size("file-block-size", "of test fileio"),
    choice("file-test-mode", FILE_MODES, "of test fileio; rndrw if not given"),
    integer("file-fsync-freq", None, "of test fileio"),
    choice("file-extra-flags", &["sync", "dsync", "direct"], "of test fileio"),
];

const FILE_MODES: &[&str] = &["seqwr", "seqrewr", "seqrd", "rndrd", "rndwr", "rndrw"];

/// Files are created again in each trial, so they are much smaller than sysbench's default, 2 GiB in 128
/// files.
const FILE_DEFAULTS: [(&str, &str); 3] =
    [("file-num", "16"), ("file-total-size", "67108864"), ("file-test-mode", "rndrw")];

/// First part of the keys of a test's own settings.
fn prefix(test: &str) -> &str {
    match test {
        "threads" => "thread-",
        "fileio" => "file-",
        "memory" => "memory-",
        "mutex" => "mutex-",
        _ => "cpu-",
    }
}

fn test(settings: &Settings) -> &str {
    settings.text("test").unwrap_or("cpu")
}

/// sysbench's own arguments, without its command.
fn arguments(settings: &Settings) -> Result<Vec<String>, String> {
    let test = test(settings);
    let mut arguments = vec![test.to_owned()];
    for (key, value) in settings.iter().filter(|(key, _)| *key != "test") {
        let is_shared = ["threads", "time", "events"].contains(&key);
        if !is_shared && !key.starts_with(prefix(test)) {
            return Err(format!("setting '{key}' of workload sysbench does not belong to its test {test}"));
        }
        let value = match value {
            Value::Integer(number) => number.to_string(),
            other => other.to_string(),
        };
        arguments.push(format!("--{key}={value}"));
    }
    if test == "fileio" {
        let missing = FILE_DEFAULTS.iter().filter(|(key, _)| settings.get(key).is_none());
        arguments.extend(missing.map(|(key, value)| format!("--{key}={value}")));
    }
    Ok(arguments)
}

impl Workload for Sysbench {
    fn name(&self) -> &str {
        "sysbench"
    }

    fn summary(&self) -> &str {
        "the host's sysbench program, with its own tests and results"
    }

    fn settings(&self) -> &[SettingDef] {
        SETTINGS
    }

    fn metrics(&self) -> Vec<MetricDef> {
        let rate = |name| MetricDef::detail(name, "1/s", Better::Higher);
        vec![
            MetricDef::headline("events_per_second", "1/s", Better::Higher),
            MetricDef::detail("throughput", "B/s", Better::Higher),
            rate("reads_per_second"),
            rate("writes_per_second"),
            rate("fsyncs_per_second"),
            MetricDef::detail("total_time", "s", Better::Lower),
            MetricDef::detail("latency_min", "s", Better::Lower),
            MetricDef::detail("latency_mean", "s", Better::Lower),
            MetricDef::detail("latency_p95", "s", Better::Lower),
            MetricDef::detail("latency_max", "s", Better::Lower),
        ]
    }

    fn image(&self, settings: &Settings, present: Present<'_>) -> Result<Image, String> {
        let missing = |why: String| format!("{why}; on Debian: apt-get install sysbench");
        let mut image = Image::default();
        let mut need = |program: &str| -> Result<(), String> {
            let (path, closure) = closure(program)?;
            if !present(&path) {
                image.extend(closure);
            }
            Ok(())
        };
        need(PROGRAM).map_err(missing)?;
        if test(settings) == "fileio" {
            need(SHELL)?;
        }
        Ok(image)
    }

    fn programs(&self, _: &Settings) -> Vec<PathBuf> {
        files(PROGRAM)
    }

    /// Its report contains times, so it is different each time. The decoder verifies that the work was done.
    fn info(&self, settings: &Settings) -> WorkloadInfo {
        let files = (test(settings) == "fileio").then_some(Dependence::Files);
        let threads = settings.integer("threads").and_then(|threads| u32::try_from(threads).ok());
        let depends_on = files.into_iter().chain([Dependence::Programs]).collect();
        WorkloadInfo { depends_on, threads, ..WorkloadInfo::default() }
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        let arguments = std::iter::once(PROGRAM.to_owned()).chain(arguments(settings)?);
        let argv: Vec<String> = match test(settings) {
            "fileio" => [SHELL, "-c", FILEIO, "sh"].map(str::to_owned).into_iter().chain(arguments).collect(),
            _ => arguments.chain(["run".to_owned()]).collect(),
        };
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Ok(Job::Command(CommandJob {
            argv,
            env: vec![("PATH".into(), path.into()), ("LC_ALL".into(), "C".into())],
            directory: None,
            stdin: Vec::new(),
            repetition: Repetition::Once,
        }))
    }

    fn output_needed(&self) -> usize {
        MOST_OUTPUT
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let JobResult::Command { exit, .. } = &output.result else {
            return Err(Invalid("the agent sent a built-in workload's result for sysbench".to_owned()));
        };
        let stdout = output.streams.stdout.text();
        if !exit.is_success() {
            let why = output::complaint(&stdout)
                .map_or_else(|| quote(&output.streams.stderr), |why| format!(": {why}"));
            return Err(Invalid(format!("sysbench ended with {exit}{why}")));
        }
        let threads = settings.integer("threads").unwrap_or(1);
        let read = Output::read(&stdout, test(settings), threads).map_err(Invalid)?;
        let sample = |metric: MetricDef| {
            let value = read.value(&metric.name)?;
            Some(Sample::of_workload(metric, value))
        };
        Ok(self.metrics().into_iter().filter_map(sample).collect())
    }
}

#[cfg(test)]
mod tests;
