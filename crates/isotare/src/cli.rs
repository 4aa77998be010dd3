//! The command line's types.

#![expect(rustdoc::broken_intra_doc_links, reason = "help texts have brackets that are no links")]

mod store;

pub use store::{KeptOutput, Prune, StoreArgs, StoreVerb};

use clap::{Args, Parser, Subcommand, ValueEnum};
use isotare_core::{Budget, CpuSet, EnvironmentSpec, ImageReference, Kind, Value, WorkloadSpec};
use isotare_image::Limits;
use std::path::PathBuf;

/// What `--version` prints. It also says where the source code under the MPL is, as MPL-2.0, section 3.2
/// requires.
const LICENCES: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\n\nLicensed under Apache-2.0 or MIT, at your choice.\nIt contains libpathrs 0.2.6 under MPL-2.0; its source: \
     https://crates.io/crates/pathrs/0.2.6"
);

/// `isotare_core::DEFAULT_MARGIN` as people write it.
const MARGIN: &str = "2%";

/// Measures the overhead of isolation on this machine: how much slower is a workload in a container, a
/// sandbox or a virtual machine than the same workload run natively?
///
/// Exit codes: 0 done; 1 done, but some trials (or imported runs) did not complete; 2 usage or bad input; 3
/// nothing could be measured; 4 an overhead has increased (diff); 5 known overheads were not found
/// (selftest); 6 the machine failed, for example the disk is full; 130 interrupted.
#[derive(Debug, Parser)]
#[command(version, long_version = LICENCES, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Write more details about what Isotare does to stderr (or set ISOTARE_LOG, for example to
    /// isotare=debug).
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Compare environments. Without arguments, it compares the environments that work here with the built-in
    /// quick suite.
    Compare(Box<Compare>),
    /// Run an experiment from a file.
    Run(Run),
    /// Show the exact order in which an experiment would run.
    Plan(Plan),
    /// Show which environments work here, and what could make measurements on this machine unreliable.
    Doctor(Doctor),
    /// Show a session again.
    Report(ReportArgs),
    /// Show how overheads changed from one session to another. The exit code is 4 if an overhead has
    /// increased.
    Diff(Diff),
    /// Analyze paired measurements that another tool made: a CSV file with the columns block, condition,
    /// metric, value and, optionally, unit.
    Analyze(Analyze),
    /// Read the output of other tools (sysbench, fio, pidstat and many more). If labels say in which
    /// environment each run was made, compare the environments.
    Import(Import),
    /// Write sessions as tables for other programs: CSV, JSON or Parquet.
    Export(Export),
    /// Show the activity of processes at regular intervals, like pidstat.
    Sample(Sample),
    /// Inject known overheads and check that Isotare finds them. Also measure the overhead of Isotare's own
    /// sampling.
    Selftest(Selftest),
    /// Remove what interrupted sessions left behind. Only things that the sessions recorded are removed.
    Clean(Clean),
    /// Show how large the store of sessions is, and remove sessions from it.
    Store(StoreArgs),
    /// Print the JSON schema of experiment files, for editors.
    Schema,
    /// Print what completes our commands in a shell. Packages bring it with them.
    #[command(hide = true)]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write our manual pages. Packages bring them with them.
    #[command(hide = true)]
    Man {
        /// The folder to write them into.
        folder: PathBuf,
    },
}

/// `isotare compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// Environment, such as docker or qemu:accel=tcg (DRIVER[:KEY=VALUE,…]); repeat for more [default:
    /// native, and the best variant of each driver that works here].
    #[arg(long = "env", short, value_name = "ENV")]
    pub environments: Vec<EnvironmentSpec>,
    /// Built-in workload, such as cpu or cpu:threads=2 (NAME[:KEY=VALUE,…]); repeat for more [default: the
    /// quick suite].
    #[arg(long = "workload", short, value_name = "WORKLOAD")]
    pub workloads: Vec<WorkloadSpec>,
    /// Number of blocks. With --precision it is the maximum [default: 20, or fewer: 10 or 15 if every first
    /// figure is then known within half the margin, or at least 6 if the time limit ends first; with
    /// --precision: 100].
    #[arg(long, short = 'n')]
    pub blocks: Option<u32>,
    /// Time limit: do not start a block that would end later than this [default: 4m; no limit with --blocks
    /// or --precision].
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    pub time: Option<f64>,
    /// Stop once every interval is at most this wide on either side, for example 1%. Isotare checks after 20
    /// blocks and then after every 10 (after 10 and 15 if the maximum is 20). The check uses only the width of
    /// the intervals, not their position.
    #[arg(long, value_name = "FRACTION", value_parser = parse_fraction)]
    pub precision: Option<f64>,
    /// Largest fraction of the blocks that may be repeated. A block is repeated if something else on the
    /// machine slowed the canary, a fixed piece of native work that runs before and after each trial.
    #[arg(long, value_name = "FRACTION", default_value = "25%", value_parser = parse_share)]
    pub repeats: f64,
    /// Root file system of every environment that needs one and does not name one: auto (host for commands,
    /// if the environment supports it; otherwise agent), agent (only Isotare's own program), host (the host's
    /// userland), dir:PATH, tar:PATH, oci:PATH[@REF], docker:PATH[@NAME] or debian[:PACKAGE+PACKAGE]
    /// [default: auto].
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<ImageReference>,
    /// Baseline: the environment that the others are compared with.
    #[arg(long, value_name = "ENV", default_value = "native")]
    pub baseline: EnvironmentSpec,
    /// Seed of the random order [default: a random seed, which is printed and stored].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Equivalence margin: differences smaller than this count as no difference.
    #[arg(long, default_value = MARGIN, value_parser = parse_fraction)]
    pub margin: f64,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// Leave out the null test (the baseline against itself).
    #[arg(long)]
    pub no_null: bool,
    /// CPUs of every environment, such as 0-3 or 0,2 [default: all CPUs that this process may use].
    #[arg(long)]
    pub cpus: Option<CpuSet>,
    /// Memory of every environment.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    pub memory: u64,
    /// Maximum number of processes and threads together in every environment.
    #[arg(long, value_name = "NUMBER", default_value_t = Budget::PROCESSES)]
    pub processes: u32,
    /// How often per second the host's counters are read while a workload is measured.
    #[arg(long, value_name = "HZ", default_value_t = 10.0)]
    pub rate: f64,
    /// Timeout of each phase of a trial.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_seconds)]
    pub timeout: f64,
    /// Stop a trial as failed if its workload writes more than this to standard output and standard error
    /// together.
    #[arg(long, value_name = "SIZE", default_value = "8G", value_parser = parse_size)]
    pub output_limit: u64,
    /// Keep the complete output of workloads, compressed. Without this option Isotare keeps the size, the
    /// SHA-256 and the first and last 64 KiB of each stream.
    #[arg(long)]
    pub keep_output: bool,
    /// Accept trials in which a command wrote a different output than in the baseline. Without this option
    /// such trials are invalid if the baseline wrote the same output in every trial, because a different
    /// output means that different work was done.
    #[arg(long)]
    pub accept_different_output: bool,
    /// Where and how to show the result.
    #[command(flatten)]
    pub output: Output,
    /// Where sessions are kept.
    #[command(flatten)]
    pub places: Places,
    /// File that the command reads. It is copied into every instance, at the same absolute path; repeat for
    /// more.
    #[arg(long, value_name = "FILE", requires = "command")]
    pub carry: Vec<PathBuf>,
    /// Command of this host, with its arguments, to run as the workload.
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "workloads")]
    pub command: Vec<String>,
}

/// `isotare run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The experiment file (TOML).
    pub file: PathBuf,
    /// Continue the newest session of this file that was interrupted or killed, in its order. Refused if the
    /// plan, this program or the machine has changed.
    #[arg(long)]
    pub resume: bool,
    /// Where and how to show the result.
    #[command(flatten)]
    pub output: Output,
    /// Where sessions are kept.
    #[command(flatten)]
    pub places: Places,
}

/// `isotare plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// The experiment file (TOML).
    pub file: PathBuf,
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

/// `isotare doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Where instances would be.
    #[command(flatten)]
    pub places: Places,
}

/// `isotare report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Session: its id, the first characters of its id, or `last`.
    #[arg(default_value = "last")]
    pub session: String,
    /// List the stored sessions.
    #[arg(long, conflicts_with_all = ["session", "format", "out"])]
    pub list: bool,
    /// Show what the session said on stderr, with times.
    #[arg(long, conflicts_with_all = ["list", "format", "out"])]
    pub log: bool,
    /// Where and how to show the result.
    #[command(flatten)]
    pub output: Output,
    /// Where sessions are kept.
    #[command(flatten)]
    pub places: Places,
}

/// `isotare diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// Earlier session: its id, the first characters of its id, `last`, or `last~N` for the session N before
    /// the last.
    #[arg(default_value = "last~1")]
    pub before: String,
    /// Later session.
    #[arg(default_value = "last")]
    pub after: String,
    /// Database of the later session [default: the same database].
    #[arg(long, value_name = "FILE")]
    pub store_b: Option<PathBuf>,
    /// Equivalence margin: changes smaller than this count as no change.
    #[arg(long, default_value = MARGIN, value_parser = parse_fraction)]
    pub margin: f64,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// Compare the sessions even if the machines, the measured binaries or the budgets differ.
    #[arg(long)]
    pub force: bool,
    /// Where and how to show the result.
    #[command(flatten)]
    pub output: Output,
    /// Where sessions are kept.
    #[command(flatten)]
    pub places: Places,
}

/// `isotare analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    /// The CSV file; `-`: standard input.
    pub file: PathBuf,
    /// Baseline: the condition that the others are compared with [default: the first one in the file].
    #[arg(long, value_name = "CONDITION")]
    pub baseline: Option<String>,
    /// Equivalence margin: differences smaller than this count as no difference.
    #[arg(long, default_value = MARGIN, value_parser = parse_fraction)]
    pub margin: f64,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// Metric for which higher values are better. Needed if its unit is not a rate such as req/s; repeat for
    /// more.
    #[arg(long, value_name = "METRIC")]
    pub higher: Vec<String>,
    /// Metric for which lower values are better. Needed if its unit is not a time such as ms; repeat for
    /// more.
    #[arg(long, value_name = "METRIC")]
    pub lower: Vec<String>,
    /// Maximum size of a file. Reading a file needs several times its size in memory.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub max_size: u64,
    /// Where and how to show the result.
    #[command(flatten)]
    pub output: Output,
}

/// `isotare import`.
///
/// Exit code 1: some runs are incomplete or unreadable; 2: nothing could be read.
#[derive(Debug, Args)]
pub struct Import {
    /// Files, or folders (all regular files in them are read); `-`: standard input.
    #[arg(required_unless_present = "list", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Tool whose output the files contain [default: detected from the content].
    #[arg(long = "type", short = 't', value_name = "TOOL", value_parser = parse_tool)]
    pub tool: Option<&'static isotare_import::tools::Tool>,
    /// Label of every run, such as environment=docker; repeat for more. The label `environment` says where a
    /// run was made, and `iteration` is the number of the repetition.
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
    /// Take labels from the file names, such as '{environment}/cpu-{iteration}.txt', which is compared with
    /// the end of each path; repeat for more: the first pattern that matches is used.
    #[arg(long = "pattern", short, value_name = "PATTERN", value_parser = isotare_import::Pattern::new)]
    pub patterns: Vec<isotare_import::Pattern>,
    /// Take labels from a CSV file with a column `file` and one column for each label.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Maximum size of a file. Reading a file needs several times its size in memory.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub max_size: u64,
    /// Baseline: the environment that the others are compared with [default: native, or the first environment
    /// if there is no native].
    #[arg(long, value_name = "ENVIRONMENT")]
    pub baseline: Option<String>,
    /// Equivalence margin: differences smaller than this count as no difference.
    #[arg(long, default_value = MARGIN, value_parser = parse_fraction)]
    pub margin: f64,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// List the tools whose output Isotare can read.
    #[arg(long, exclusive = true)]
    pub list: bool,
    /// Where and how to show the result. The format csv has a row for each number.
    #[command(flatten)]
    pub output: Output,
}

/// `isotare export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Sessions: their ids, the first characters of the ids, or `last`.
    #[arg(default_value = "last", value_name = "SESSION")]
    pub sessions: Vec<String>,
    /// Export every session in the store.
    #[arg(long, conflicts_with = "sessions")]
    pub all: bool,
    /// Also export each reading of a counter, with its time.
    #[arg(long)]
    pub readings: bool,
    /// Format [default: chosen by the file extension, otherwise csv].
    #[arg(long, value_enum)]
    pub format: Option<ExportForm>,
    /// File to write [default: stdout].
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Where sessions are kept.
    #[command(flatten)]
    pub places: Places,
}

/// Formats of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// A row for each value, with a header.
    Csv,
    /// A list of sessions, each with its rows.
    Json,
    /// Apache Parquet.
    Parquet,
}

/// `isotare sample`.
///
/// The tables and their columns are those of pidstat (times are UTC). Idle processes are left out, unless
/// they are named with --pid. At the end, a message on stderr says how late the readings were and how much
/// CPU time they took.
#[derive(Debug, Args)]
pub struct Sample {
    /// Processes, as PID[,PID…], SELF or ALL.
    #[arg(long = "pid", short = 'p', value_name = "PID", value_delimiter = ',', default_value = "ALL")]
    pub processes: Vec<String>,
    /// The processes of this cgroup, given by its path below the root of its hierarchy.
    #[arg(long, value_name = "PATH", conflicts_with = "processes")]
    pub cgroup: Option<String>,
    /// Time between readings. A number without a unit is seconds.
    #[arg(long, short, value_name = "TIME", default_value = "1", value_parser = parse_seconds)]
    pub interval: f64,
    /// Stop after this many readings [default: run until it is interrupted, or until none of the named
    /// processes is left].
    #[arg(long, short, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// CPU time. This is the default table.
    #[arg(short = 'u', long)]
    pub cpu: bool,
    /// Page faults and memory.
    #[arg(short = 'r', long)]
    pub memory: bool,
    /// Input and output.
    #[arg(short = 'd', long)]
    pub disk: bool,
    /// Context switches.
    #[arg(short = 'w', long)]
    pub switches: bool,
    /// Also show threads.
    #[arg(short = 't', long)]
    pub threads: bool,
    /// Format of the output: text, csv or json (one object per line). csv and json contain all columns.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

/// `isotare selftest`.
///
/// Exit code 5: the intervals contain fewer of the known overheads than they should. By chance alone, this
/// happens in one of a hundred self-tests.
#[derive(Debug, Args)]
pub struct Selftest {
    /// Kind of known overhead, such as busy-loop, or a kind with settings, such as busy-loop:percent=1.
    /// `observer` measures the overhead of sampling. Repeat for more [default: the usual settings of every
    /// kind, and observer].
    #[arg(long = "kind", short, value_name = "KIND")]
    pub kinds: Vec<EnvironmentSpec>,
    /// How often each overhead is injected, each time in a new session.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: u32,
    /// Number of blocks of each session.
    #[arg(long, short = 'n', default_value_t = 12)]
    pub blocks: u32,
    /// Number of blocks of the session that measures the overhead of sampling.
    #[arg(long, default_value_t = 20)]
    pub observer_blocks: u32,
    /// Seed of the random orders [default: a random seed, which is stored with the results].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// CPUs of every instance, such as 0-3 or 0,2 [default: all CPUs that this process may use].
    #[arg(long)]
    pub cpus: Option<CpuSet>,
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Where instances are put. Sessions are stored only if a store is named.
    #[command(flatten)]
    pub places: Places,
}

/// `isotare clean`.
#[derive(Debug, Args)]
pub struct Clean {
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

/// Where and how to show a result.
#[derive(Debug, Args)]
pub struct Output {
    /// Format of the report on stdout.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Also write the report to this file. The file extension chooses the format: .txt, .json, .csv, .md or
    /// .html. Repeat for more.
    #[arg(long, value_name = "FILE")]
    pub out: Vec<PathBuf>,
}

/// Where sessions and instances are kept.
#[derive(Debug, Args)]
pub struct Places {
    /// Database of sessions [default: $XDG_DATA_HOME/isotare/isotare.db].
    #[arg(long, value_name = "FILE", env = "ISOTARE_STORE")]
    pub store: Option<PathBuf>,
    /// Folder for root file systems, images and the files of workloads. It has to be on the disk that the
    /// workloads should use.
    #[arg(long, value_name = "DIR", env = "ISOTARE_WORK", default_value = "/var/tmp")]
    pub work: PathBuf,
    /// Limits for the size of one unpacked image [default:
    /// data=64G,entries=4000000,header=1M,names=1G,depth=255].
    #[arg(
        long,
        value_name = "KEY=N,…",
        env = "ISOTARE_IMAGE_LIMITS",
        default_value = "",
        hide_default_value = true
    )]
    pub image_limits: Limits,
}

/// Formats of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people, in a terminal.
    Text,
    /// For programs.
    Json,
    /// A row for each result.
    Csv,
    /// For documents.
    Markdown,
    /// A self-contained page with figures.
    Html,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match Kind::Duration.parse(text) {
        Some(Value::Number(seconds)) if seconds > 0.0 => Ok(seconds),
        _ => Err(format!("the value has to be {} above zero", Kind::Duration)),
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    match Kind::Size.parse(text) {
        Some(Value::Integer(bytes)) if bytes > 0 => Ok(bytes),
        _ => Err(format!("the value has to be {} above zero", Kind::Size)),
    }
}

fn parse_fraction(text: &str) -> Result<f64, String> {
    part(text)
        .filter(|f| *f > 0.0 && *f < 1.0)
        .ok_or_else(|| "the value has to be a fraction between 0 and 1, such as 2% or 0.02".to_owned())
}

fn parse_share(text: &str) -> Result<f64, String> {
    part(text)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "the value has to be a fraction from 0 to 1, such as 25%, 0.25 or 0".to_owned())
}

fn parse_tool(text: &str) -> Result<&'static isotare_import::tools::Tool, String> {
    isotare_import::tools::find(text).ok_or_else(|| {
        let known: Vec<_> = isotare_import::tools::TOOLS.iter().map(|tool| tool.name).collect();
        format!("this tool is not known; known tools: {}", known.join(", "))
    })
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("the value has to be a name and a value, such as environment=docker".to_owned()),
    }
}

fn part(text: &str) -> Option<f64> {
    let (number, divisor) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    number.trim().parse::<f64>().map(|n| n / divisor).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_named_source_belongs_to_the_program() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, package) = lock.split_once("name = \"pathrs\"\nversion = \"").expect("it is used");
        let version = package.split('"').next().expect("a version");
        assert!(LICENCES.contains(&format!("libpathrs {version} ")) && LICENCES.ends_with(version));
    }

    #[test]
    fn fractions_are_read_with_and_without_a_percent_sign() {
        assert_eq!(
            (parse_fraction(MARGIN), parse_fraction("0.02")),
            (Ok(isotare_core::DEFAULT_MARGIN), Ok(0.02))
        );
        assert!(["0", "100%", "two", "-1%"].iter().all(|text| parse_fraction(text).is_err()));
        assert_eq!(
            [parse_share("0"), parse_share("100%"), parse_share("0.25")],
            [Ok(0.0), Ok(1.0), Ok(0.25)]
        );
        assert!(["101%", "-1%", "nan", "two"].iter().all(|text| parse_share(text).is_err()));
    }
}
