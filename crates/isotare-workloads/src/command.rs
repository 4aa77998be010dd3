//! A program that the user chooses. It is run repeatedly inside each instance.
//!
//! It runs in the instance's data folder, with the same few environment variables everywhere. So neither the
//! user's shell nor a folder that exists only on the host can influence it.

use crate::closure::{closure, files, needs_more};
use isotare_core::{
    Better, Captured, Dependence, Image, Invalid, JobOutput, Kind, MetricDef, Present, Sample, SettingDef,
    Settings, Source, Workload, WorkloadInfo,
};
use isotare_protocol::{CommandJob, Job, JobResult, Repetition, Usage};
use std::path::{Path, PathBuf};

/// The environment of every command.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", isotare_core::DATA_DIR),
    ("LC_ALL", "C"),
];

/// `-- COMMAND ARGUMENTS`.
pub struct Command;

const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "argv",
        kind: Kind::Text,
        default: None,
        help: "program and arguments, as a JSON list of texts",
    },
    SettingDef {
        key: "carry",
        kind: Kind::Text,
        default: None,
        help: "files of the host that it reads, as a JSON list of absolute paths; every instance has them at \
               the same paths",
    },
    SettingDef {
        key: "time",
        kind: Kind::Duration,
        default: Some("100ms"),
        help: "the program is repeated until this time has passed",
    },
    SettingDef {
        key: "min-runs",
        kind: Kind::Integer { min: 1, max: 1 << 20 },
        default: Some("1"),
        help: "minimum number of timed runs in one trial",
    },
    SettingDef {
        key: "warmup",
        kind: Kind::Integer { min: 0, max: 1 << 20 },
        default: Some("1"),
        help: "number of warm-up runs before them, which are not counted",
    },
];

/// Texts in a setting that holds a JSON list.
fn list(settings: &Settings, key: &str) -> Result<Vec<String>, String> {
    let Some(text) = settings.text(key) else { return Ok(Vec::new()) };
    serde_json::from_str(text).map_err(|error| {
        format!("setting '{key}' has to be a JSON list of texts such as [\"a\", \"b\"]: {error}")
    })
}

/// The program and its arguments. A relative path of the program is below the user's own folder.
fn argv(settings: &Settings) -> Result<Vec<String>, String> {
    let argv = list(settings, "argv")?;
    match argv.first() {
        Some(program) if !program.is_empty() => Ok(argv),
        _ => Err("the command is empty: give a program in 'argv', or after --".to_owned()),
    }
}

impl Workload for Command {
    fn name(&self) -> &str {
        "command"
    }

    fn summary(&self) -> &str {
        "a program of your choice, which is run repeatedly"
    }

    fn settings(&self) -> &[SettingDef] {
        SETTINGS
    }

    fn metrics(&self) -> Vec<MetricDef> {
        vec![
            MetricDef::headline("wall_time", "s", Better::Lower),
            MetricDef::detail("wall_time_min", "s", Better::Lower),
            MetricDef::detail("wall_time_max", "s", Better::Lower),
            MetricDef::detail("user_time", "s", Better::Lower),
            MetricDef::detail("system_time", "s", Better::Lower),
            // At least the agent's own few MiB: a process starts with the high-water mark of the one it came
            // from.
            MetricDef::detail("max_rss", "B", Better::Lower),
        ]
    }

    fn image(&self, settings: &Settings, present: Present<'_>) -> Result<Image, String> {
        let (program, closure) = closure(&argv(settings)?[0])?;
        let mut image = if present(&program) { Image::default() } else { closure };
        for file in list(settings, "carry")? {
            let path = Path::new(&file);
            if !path.is_absolute() || !path.is_file() {
                return Err(format!(
                    "the file {file} cannot be carried into instances: it has to be a regular file with an \
                     absolute path"
                ));
            }
            image.add(path, Source::Host(path.to_owned()), 0o644);
        }
        Ok(image)
    }

    fn programs(&self, settings: &Settings) -> Vec<PathBuf> {
        argv(settings).map(|argv| files(&argv[0])).unwrap_or_default()
    }

    /// It is not known what a command does, so its figures may depend on everything.
    fn info(&self, settings: &Settings) -> WorkloadInfo {
        WorkloadInfo {
            depends_on: [Dependence::Files, Dependence::Loopback, Dependence::Programs].into(),
            threads: None,
            repeats_output: true,
            // A user who names files knows what the command reads.
            needs_more: match settings.text("carry") {
                None => argv(settings).ok().and_then(|argv| needs_more(&argv[0])),
                Some(_) => None,
            },
        }
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        let argv = argv(settings)?;
        let (program, _) = closure(&argv[0])?;
        let program = Path::to_str(&program).ok_or("the program's path is not valid text")?.to_owned();
        let count = |key: &str| {
            let value = settings.integer(key).ok_or_else(|| format!("setting '{key}' is missing"))?;
            u32::try_from(value).map_err(|_| format!("setting '{key}' is too large: {value}"))
        };
        let time = settings.duration("time").unwrap_or_default();
        Ok(Job::Command(CommandJob {
            argv: std::iter::once(program).chain(argv.into_iter().skip(1)).collect(),
            env: ENVIRONMENT.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
            directory: None,
            stdin: Vec::new(),
            repetition: Repetition::Loop {
                warmup: count("warmup")?,
                min_runs: count("min-runs")?,
                duration_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            },
        }))
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let JobResult::Command { exit, runs } = &output.result else {
            return Err(Invalid("the agent sent a built-in workload's result for a command".to_owned()));
        };
        if !exit.is_success() {
            return Err(Invalid(format!("the command ended with {exit}{}", quote(&output.streams.stderr))));
        }
        let fewest = settings.integer("min-runs").unwrap_or(1).max(1);
        if (runs.len() as u64) < fewest {
            return Err(Invalid(format!("{} timed runs instead of at least {fewest}", runs.len())));
        }
        if let Some(place) = runs.iter().position(|run| run.wall_ns == 0) {
            return Err(Invalid(format!("timed run {} took no time", place + 1)));
        }
        let column = |value: fn(&Usage) -> u64| {
            let mut values: Vec<u64> = runs.iter().map(value).collect();
            values.sort_unstable();
            values
        };
        let wall = column(|run| run.wall_ns);
        let values = [
            median(&wall) / 1e9,
            wall[0] as f64 / 1e9,
            wall[wall.len() - 1] as f64 / 1e9,
            median(&column(|run| run.user_ns)) / 1e9,
            median(&column(|run| run.system_ns)) / 1e9,
            median(&column(|run| run.max_rss)),
        ];
        Ok(self
            .metrics()
            .into_iter()
            .zip(values)
            .map(|(metric, value)| Sample::of_workload(metric, value))
            .collect())
    }
}

/// The middle of sorted values, of which there is at least one.
fn median(sorted: &[u64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle] as f64,
        _ => (sorted[middle - 1] as f64 + sorted[middle] as f64) / 2.0,
    }
}

/// The end of what a program wrote to its standard error, for an error message.
pub fn quote(stderr: &Captured) -> String {
    const LAST: usize = 400;
    let text = stderr.text();
    let text = text.trim();
    let start = (text.len().saturating_sub(LAST)..).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    match &text[start..] {
        "" => String::new(),
        tail => format!("; its standard error ends: {tail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Streams;
    use isotare_protocol::Exit;

    fn decode(exit: Exit, wall: &[u64], stderr: &str) -> Result<Vec<Sample>, Invalid> {
        let settings = Settings::check("w", Command.settings(), [("min-runs", "2")]).expect("valid");
        let run = |&wall_ns: &u64| Usage { wall_ns, user_ns: 7, max_rss: 4096, ..Usage::default() };
        let result = JobResult::Command { exit, runs: wall.iter().map(run).collect() };
        let streams = Streams { stderr: Captured::of(stderr.as_bytes()), ..Streams::default() };
        Command.decode(&JobOutput { result, streams }, &settings)
    }

    #[test]
    fn the_median_run_is_the_headline() {
        let samples = decode(Exit::Code(0), &[5_000, 1_000, 3_000], "").expect("valid");
        let values: Vec<(&str, f64)> = samples.iter().map(|s| (s.metric.name.as_ref(), s.value)).collect();
        assert_eq!(values[..3], [("wall_time", 3e-6), ("wall_time_min", 1e-6), ("wall_time_max", 5e-6)]);
        assert_eq!(values[5], ("max_rss", 4096.0));
        assert!(samples[0].metric.headline);
        assert_eq!(median(&[1, 2, 4, 9]), 3.0);
    }

    #[test]
    fn failures_quote_what_the_program_said_last() {
        let error =
            decode(Exit::Code(3), &[1, 1], &format!("{}é no such file\n", "é".repeat(400))).expect_err("3");
        assert!(error.0.contains("exit status 3") && error.0.ends_with("no such file"), "{error}");
        assert!(error.0.len() < 500);
        assert_eq!(decode(Exit::Signal(9), &[1, 1], "").expect_err("9").0, "the command ended with signal 9");
        assert!(decode(Exit::Code(0), &[1], "").is_err(), "fewer runs than asked for");
        assert!(decode(Exit::Code(0), &[1, 0], "").is_err(), "no time");
    }

    #[test]
    fn the_job_names_the_same_program_everywhere() {
        let settings =
            |argv: &str| Settings::check("w", Command.settings(), [("argv", argv)]).expect("valid");
        let given = settings(r#"["sh", "-c", "exit 1"]"#);
        let Job::Command(job) = Command.job(&given).expect("job") else { panic!("no command") };
        assert!(job.argv[0].starts_with('/') && job.argv[0].ends_with("sh"), "{:?}", job.argv);
        assert_eq!(job.argv[1..], ["-c", "exit 1"]);
        let image = Command.image(&given, &|_| false).expect("image");
        assert!(image.files.iter().any(|file| file.path.ends_with("ld.so.cache")));
        for bad in ["[]", r#"[""]"#, "sh", r#"["no-such-program-anywhere"]"#] {
            assert!(Command.job(&settings(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_are_carried_along() {
        let carry = |file: &str| {
            let carry = format!("[\"{file}\"]");
            let given = [("argv", r#"["true"]"#), ("carry", carry.as_str())];
            Command.image(&Settings::check("w", Command.settings(), given).expect("valid"), &|_| false)
        };
        assert!(
            carry("/etc/hostname").expect("image").files.iter().any(|file| file.path.ends_with("hostname"))
        );
        assert!(carry("hostname").is_err() && carry("/no/such/file").is_err());
        assert!(carry("/dev/zero").expect_err("a device").to_string().contains("a regular file"));
        assert!(carry("/etc").is_err());
    }
}
