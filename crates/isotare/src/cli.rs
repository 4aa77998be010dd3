//! The command line's types.

#![expect(rustdoc::broken_intra_doc_links, reason = "help texts have brackets that are no links")]

mod store;

pub use store::{KeptOutput, Prune, StoreArgs, StoreVerb};

use clap::{Args, Parser, Subcommand, ValueEnum};
use isotare_core::{Budget, CpuSet, EnvironmentSpec, ImageReference, Kind, Value, WorkloadSpec};
use isotare_image::Limits;
use std::path::PathBuf;

/// What `--version` says. Whoever gets the program is told where the source of what is under the MPL is (MPL-2.0, section 3.2).
const LICENCES: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\n\nLicensed under Apache-2.0 or MIT, at your choice.\nIt contains libpathrs 0.2.6 under MPL-2.0; its source: \
     https://crates.io/crates/pathrs/0.2.6"
);

/// `isotare_core::DEFAULT_MARGIN` as people write it.
const MARGIN: &str = "2%";

/// Weighs isolation: what does running a workload in a container, a sandbox or a virtual machine cost against
/// running it natively, on this machine?
///
/// Exit codes: 0 done; 1 done, but some trials (or imported runs) did not complete; 2 usage or bad input; 3 nothing could be measured;
/// 4 something costs more than before (diff); 5 known overheads were not found (selftest); 6 the machine failed, such as a full disk;
/// 130 interrupted.
#[derive(Debug, Parser)]
#[command(version, long_version = LICENCES, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Say more on stderr about what is done (or set ISOTARE_LOG, as in isotare=debug).
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Compare environments: with no argument, those that work here with the built-in quick suite.
    Compare(Box<Compare>),
    /// Run an experiment from a file.
    Run(Run),
    /// Show the exact order in which an experiment would run.
    Plan(Plan),
    /// Say what can be measured here, and what will disturb a measurement.
    Doctor(Doctor),
    /// Show a session again.
    Report(ReportArgs),
    /// Say how overheads changed from one session to another; exit code 4 if something costs more than before.
    Diff(Diff),
    /// Judge anyone's paired measurements: a CSV file with the columns block, condition, metric, value and, if known, unit.
    Analyze(Analyze),
    /// Read what other tools printed (sysbench, fio, pidstat and many more), and compare it if it is known what ran where.
    Import(Import),
    /// Write sessions as tables for other programs: CSV, JSON or Parquet.
    Export(Export),
    /// Show what processes do, interval by interval, as pidstat does.
    Sample(Sample),
    /// Inject known overheads and see whether they are found; say what observing costs.
    Selftest(Selftest),
    /// Remove whatever interrupted sessions left behind, by recorded identity only.
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
    /// Environment, as DRIVER[:KEY=VALUE,…]; repeat for more [default: native, and the best of each driver that works here].
    #[arg(long = "env", short, value_name = "ENV")]
    pub environments: Vec<EnvironmentSpec>,
    /// Built-in workload, as NAME[:KEY=VALUE,…]; repeat for more [default: the quick suite].
    #[arg(long = "workload", short, value_name = "WORKLOAD")]
    pub workloads: Vec<WorkloadSpec>,
    /// Run exactly this many blocks, or with --precision at most [default: 20, fewer if --time is over, never fewer than 6;
    /// with --precision 100].
    #[arg(long, short = 'n')]
    pub blocks: Option<u32>,
    /// Begin no new block that would end after this [default: 4m; none with --blocks or --precision].
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    pub time: Option<f64>,
    /// Stop once every interval is this narrow on either side, as 1%: looks after 20 blocks and then every 10. It never looks
    /// at what the difference is.
    #[arg(long, value_name = "PART", value_parser = parse_fraction)]
    pub precision: Option<f64>,
    /// Repeat blocks in which a canary (a fixed piece of native work beside each trial) was slowed by something else, at most this
    /// share of the blocks.
    #[arg(long, value_name = "PART", default_value = "25%", value_parser = parse_share)]
    pub repeats: f64,
    /// Root file system of every environment that takes one and names none: auto (host for commands where it can be shown, else agent), agent (nothing but
    /// our own program), host (the host's userland), dir:PATH, tar:PATH, oci:PATH[@REF], docker:PATH[@NAME] or debian[:PACKAGE+PACKAGE] [default: auto].
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<ImageReference>,
    /// Environment that the others are compared with.
    #[arg(long, value_name = "ENV", default_value = "native")]
    pub baseline: EnvironmentSpec,
    /// Seed of the random order [default: a random one, printed and kept].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Equivalence margin: differences smaller than this do not matter.
    #[arg(long, default_value = MARGIN, value_parser = parse_fraction)]
    pub margin: f64,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// Leave out the null test (the baseline against itself).
    #[arg(long)]
    pub no_null: bool,
    /// CPUs of every environment, as 0-3 or 0,2 [default: all that this process may use].
    #[arg(long)]
    pub cpus: Option<CpuSet>,
    /// Memory of every environment.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    pub memory: u64,
    /// Limit of processes and threads together of every environment.
    #[arg(long, value_name = "NUMBER", default_value_t = Budget::PROCESSES)]
    pub processes: u32,
    /// Readings of the host's counters a second while a workload is measured.
    #[arg(long, value_name = "HZ", default_value_t = 10.0)]
    pub rate: f64,
    /// Time that each phase of a trial may take.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_seconds)]
    pub timeout: f64,
    /// End a trial as failed once its workload has written more than this, standard output and standard error together.
    #[arg(long, value_name = "SIZE", default_value = "8G", value_parser = parse_size)]
    pub output_limit: u64,
    /// Keep all that workloads write, compressed. Without it the size, the SHA-256 and the first and last 64 KiB of each
    /// stream are kept.
    #[arg(long)]
    pub keep_output: bool,
    /// Count trials of a command that wrote something else than in the baseline. Without it they are invalid where the
    /// baseline writes the same in every trial, because other output shows other work.
    #[arg(long)]
    pub accept_different_output: bool,
    /// Where and how to show the result.
    #[command(flatten)]
    pub output: Output,
    /// Where sessions are kept.
    #[command(flatten)]
    pub places: Places,
    /// File that the command reads, to be carried into every instance at the same absolute path; repeat for more.
    #[arg(long, value_name = "FILE", requires = "command")]
    pub carry: Vec<PathBuf>,
    /// A command of this host to run as the workload, with its arguments.
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "workloads")]
    pub command: Vec<String>,
}

/// `isotare run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The experiment file (TOML).
    pub file: PathBuf,
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
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

/// `isotare doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Where instances would be.
    #[command(flatten)]
    pub places: Places,
}

/// `isotare report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Session: its id, the beginning of it, or `last`.
    #[arg(default_value = "last")]
    pub session: String,
    /// List the sessions that are kept.
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
    /// Earlier session: its id, the beginning of it, `last`, or `last~N` for the one N before the last.
    #[arg(default_value = "last~1")]
    pub before: String,
    /// Later session.
    #[arg(default_value = "last")]
    pub after: String,
    /// Database of the later session [default: the same].
    #[arg(long, value_name = "FILE")]
    pub store_b: Option<PathBuf>,
    /// Equivalence margin: changes smaller than this do not matter.
    #[arg(long, default_value = MARGIN, value_parser = parse_fraction)]
    pub margin: f64,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// Compare although machines, bits or budgets differ.
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
    /// Condition that the others are compared with [default: the first in the file].
    #[arg(long, value_name = "CONDITION")]
    pub baseline: Option<String>,
    /// Equivalence margin: differences smaller than this do not matter.
    #[arg(long, default_value = MARGIN, value_parser = parse_fraction)]
    pub margin: f64,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// Metric of which more is better, where its unit is no rate such as req/s; repeat for more.
    #[arg(long, value_name = "METRIC")]
    pub higher: Vec<String>,
    /// Metric of which less is better, where its unit is no time such as ms; repeat for more.
    #[arg(long, value_name = "METRIC")]
    pub lower: Vec<String>,
    /// Largest file that is read: it is held in memory several times over.
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
    /// Files, or folders with all regular files in them; `-`: standard input.
    #[arg(required_unless_present = "list", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Whose output they are [default: each file tells].
    #[arg(long = "type", short = 't', value_name = "TOOL", value_parser = parse_tool)]
    pub tool: Option<&'static isotare_import::tools::Tool>,
    /// Label of every run, as NAME=VALUE; repeat for more. `environment` says where a run ran and `iteration` which
    /// repetition it is.
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
    /// Labels from the ends of file names, as '{environment}/cpu-{iteration}.txt'; repeat for more: the first that fits counts.
    #[arg(long = "pattern", short, value_name = "PATTERN", value_parser = isotare_import::Pattern::new)]
    pub patterns: Vec<isotare_import::Pattern>,
    /// Labels from a CSV file with a column `file` and one for each label.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Largest file that is read: it is held in memory several times over.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub max_size: u64,
    /// Environment that the others are compared with [default: native, or else the first].
    #[arg(long, value_name = "ENVIRONMENT")]
    pub baseline: Option<String>,
    /// Equivalence margin: differences smaller than this do not matter.
    #[arg(long, default_value = MARGIN, value_parser = parse_fraction)]
    pub margin: f64,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// List the tools whose outputs are read.
    #[arg(long, exclusive = true)]
    pub list: bool,
    /// Where and how to show the result; csv: a row for each number.
    #[command(flatten)]
    pub output: Output,
}

/// `isotare export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Sessions: ids, beginnings of them, or `last`.
    #[arg(default_value = "last", value_name = "SESSION")]
    pub sessions: Vec<String>,
    /// Every session of the store.
    #[arg(long, conflicts_with = "sessions")]
    pub all: bool,
    /// Also each reading of a counter, with its moment.
    #[arg(long)]
    pub readings: bool,
    /// Form [default: that of the file's ending, or csv].
    #[arg(long, value_enum)]
    pub format: Option<ExportForm>,
    /// File to write [default: stdout].
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Where sessions are kept.
    #[command(flatten)]
    pub places: Places,
}

/// Forms of an export.
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
/// The tables and their columns are those of pidstat (times are UTC). Processes that do nothing are left out, unless they are named. At
/// its end it says on stderr how late its readings were and what they cost.
#[derive(Debug, Args)]
pub struct Sample {
    /// Processes, as PID[,PID…], SELF or ALL.
    #[arg(long = "pid", short = 'p', value_name = "PID", value_delimiter = ',', default_value = "ALL")]
    pub processes: Vec<String>,
    /// Processes of this cgroup, by its path below the root of its hierarchy.
    #[arg(long, value_name = "PATH", conflicts_with = "processes")]
    pub cgroup: Option<String>,
    /// Time between readings; a plain number is seconds.
    #[arg(long, short, value_name = "TIME", default_value = "1", value_parser = parse_seconds)]
    pub interval: f64,
    /// Stop after so many readings [default: when stopped, or when no named process is left].
    #[arg(long, short, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// CPU time; shown when nothing else is chosen.
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
    /// Threads, too.
    #[arg(short = 't', long)]
    pub threads: bool,
    /// Form of the output: text, csv or json (an object in each line); the last two hold all columns.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

/// `isotare selftest`.
///
/// Exit code 5: fewer known overheads lie in their intervals than chance allows in one of a hundred self-tests.
#[derive(Debug, Args)]
pub struct Selftest {
    /// Kind of known overhead, or one of a kind with its settings, such as busy-loop:percent=1; `observer`: what observing
    /// costs; repeat for more [default: the usual ones of every kind, and observer].
    #[arg(long = "kind", short, value_name = "KIND")]
    pub kinds: Vec<EnvironmentSpec>,
    /// Inject each overhead so many times, each in a session of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: u32,
    /// Blocks of each session.
    #[arg(long, short = 'n', default_value_t = 12)]
    pub blocks: u32,
    /// Blocks of the session that tells what observing costs.
    #[arg(long, default_value_t = 20)]
    pub observer_blocks: u32,
    /// Seed of the random orders [default: a random one, kept with the results].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Confidence level of the intervals.
    #[arg(long, default_value = "95%", value_parser = parse_fraction)]
    pub level: f64,
    /// CPUs of every instance, as 0-3 or 0,2 [default: all that this process may use].
    #[arg(long)]
    pub cpus: Option<CpuSet>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Where instances are; sessions are kept only where a store is named.
    #[command(flatten)]
    pub places: Places,
}

/// `isotare clean`.
#[derive(Debug, Args)]
pub struct Clean {
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

/// Where and how to show a result.
#[derive(Debug, Args)]
pub struct Output {
    /// Form of the report on stdout.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// Also write the report to this file, in the form that its ending names (.txt, .json, .csv, .md, .html); repeat for more.
    #[arg(long, value_name = "FILE")]
    pub out: Vec<PathBuf>,
}

/// Where things are kept.
#[derive(Debug, Args)]
pub struct Places {
    /// Database of sessions [default: $XDG_DATA_HOME/isotare/isotare.db].
    #[arg(long, value_name = "FILE", env = "ISOTARE_STORE")]
    pub store: Option<PathBuf>,
    /// Folder on the disk that workloads are to use, for roots, images and their files.
    #[arg(long, value_name = "DIR", env = "ISOTARE_WORK", default_value = "/var/tmp")]
    pub work: PathBuf,
    /// Bounds for what one image may unpack to [default: data=64G,entries=4000000,header=1M,names=1G,depth=255].
    #[arg(
        long,
        value_name = "KEY=N,…",
        env = "ISOTARE_IMAGE_LIMITS",
        default_value = "",
        hide_default_value = true
    )]
    pub image_limits: Limits,
}

/// Forms of output.
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
        _ => Err(format!("it takes {} above zero", Kind::Duration)),
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    match Kind::Size.parse(text) {
        Some(Value::Integer(bytes)) if bytes > 0 => Ok(bytes),
        _ => Err(format!("it takes {} above zero", Kind::Size)),
    }
}

fn parse_fraction(text: &str) -> Result<f64, String> {
    part(text)
        .filter(|f| *f > 0.0 && *f < 1.0)
        .ok_or_else(|| "it takes a part of one, such as 2% or 0.02".to_owned())
}

fn parse_share(text: &str) -> Result<f64, String> {
    part(text)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "it takes a share from 0 to 1, such as 25% or 0".to_owned())
}

fn parse_tool(text: &str) -> Result<&'static isotare_import::tools::Tool, String> {
    isotare_import::tools::find(text).ok_or_else(|| {
        let known: Vec<_> = isotare_import::tools::TOOLS.iter().map(|tool| tool.name).collect();
        format!("there is no such tool; there are {}", known.join(", "))
    })
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("it takes a name and a value, as environment=docker".to_owned()),
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
    fn the_source_that_is_named_is_that_of_the_program() {
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
