//! The experiment file. The input is TOML; the output is a [`Design`] or a list of all errors.
//!
//! The document is not deserialised by serde, so that one pass can report every mistake with its position.
//! The keys are defined once, in [`ExperimentFile`]. The schema is generated from it, too.

mod document;
mod error;
mod given;
mod values;

pub use error::{FileError, Problem, SyntaxError};
pub(crate) use given::{Sort, given_key};
pub(crate) use values::kind_schema;

use crate::design::{Blocks, Design, DesignError, LIMIT_TRIALS, fewest_blocks};
use document::{Located, Table};
use error::Problems;
use given::Names;
use isotare_core::{EnvironmentSpec, IMAGE_SETTING, SettingDef, Settings, WorkloadSpec};
use schemars::JsonSchema;
use std::ops::Range;
use toml::de::DeTable;
use values::{CpuList, EnvironmentEntry, Fraction, ImageEntry, Seconds, Share, Size, WorkloadEntry};

/// The maximum number of blocks if a file gives a time or a precision but no number.
pub const OPEN_BLOCKS: u32 = 100;

/// A driver or workload that files can name.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// The settings it understands.
    pub settings: &'a [SettingDef],
}

/// The content of an experiment file.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What is to be compared, complete.
    pub design: Design,
}

/// An experiment for isotare.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, title = "isotare experiment")]
pub(crate) struct ExperimentFile {
    /// Name of the experiment in reports.
    name: Option<Located<String>>,
    /// Baseline: the environment that the others are compared with. The default is native.
    baseline: Option<Located<EnvironmentEntry>>,
    /// The environments to compare.
    #[schemars(required)]
    environments: Option<Located<Vec<Located<EnvironmentEntry>>>>,
    /// Root file system of every environment that needs one and does not name one.
    image: Option<Located<ImageEntry>>,
    /// Number of blocks: how often each condition runs.
    blocks: Option<Located<u32>>,
    /// Minimum number of blocks. They run even if the time limit is over.
    min_blocks: Option<Located<u32>>,
    /// Maximum number of blocks.
    max_blocks: Option<Located<u32>>,
    /// Time limit: no block is started that would probably end later than this.
    time: Option<Located<Seconds>>,
    /// The session stops once every interval is at most this wide on either side, such as 0.01.
    precision: Option<Located<Fraction>>,
    /// Largest fraction of the blocks that may be repeated because something else disturbed them.
    repeats: Option<Located<Share>>,
    /// Seed of the random order.
    seed: Option<Located<u64>>,
    /// Equivalence margin: differences smaller than this count as no difference.
    margin: Option<Located<Fraction>>,
    /// Confidence level of intervals.
    level: Option<Located<Fraction>>,
    /// Whether the baseline is also compared with itself (the null test).
    null_test: Option<Located<bool>>,
    /// Timeout of each phase of a trial.
    timeout: Option<Located<Seconds>>,
    /// Limit for what a workload may write to standard output and standard error together in a trial.
    output_limit: Option<Located<Size>>,
    /// Whether all output of workloads is kept, not only the first and last 64 KiB of each stream.
    keep_output: Option<Located<bool>>,
    /// Whether trials count in which a command wrote a different output than always in the baseline.
    accept_different_output: Option<Located<bool>>,
    /// CPUs, memory and processes of every instance.
    budget: Option<Located<BudgetTable>>,
    /// Which counters of the host are read during the measurement, and how often.
    samplers: Option<Located<SamplersTable>>,
    /// The workloads. If the value of a setting is a list, there is one workload for each item of the list.
    #[schemars(required)]
    workload: Option<Located<Vec<Located<WorkloadEntry>>>>,
}

/// CPUs, memory and processes of every instance.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct BudgetTable {
    /// CPUs to which every instance is pinned, such as 0-1.
    cpus: Option<Located<CpuList>>,
    /// Memory limit, such as 1G.
    memory: Option<Located<Size>>,
    /// Maximum number of processes and threads together.
    processes: Option<Located<u32>>,
}

/// Which counters of the host are read during the measurement, and how often.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SamplersTable {
    /// Number of readings per second; 0: only at the start and at the end.
    rate: Option<Located<f64>>,
}

/// Reads an experiment file. `file` is its name in errors. `defaults` has the values that the file does not
/// give, such as the budget and the seed. The environments and workloads of `defaults` are not used.
pub fn parse(
    file: &str,
    text: &str,
    drivers: &[Known<'_>],
    workloads: &[Known<'_>],
    defaults: &Design,
) -> Result<Experiment, FileError> {
    let mut problems = Problems::new(file, text);
    let (document, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        problems.syntax(&broken);
        return Err(problems.into_error());
    }
    let mut table = Table::new("an experiment", document.get_ref());
    let read = ExperimentFile::read(&mut table, &mut problems);
    table.finish(&mut problems);
    let design = Reading { text, problems: &mut problems, defaults }.design(&read, drivers, workloads);
    match problems.is_empty() {
        true => Ok(Experiment { name: read.name.map(|name| name.value), design }),
        false => Err(problems.into_error()),
    }
}

/// A workload that runs a program of the host: `command` with the program and its arguments as a JSON list in
/// `argv`.
pub fn command(argv: &[String]) -> WorkloadSpec {
    let json = serde_json::Value::from(argv.to_vec()).to_string();
    WorkloadSpec { name: "command".to_owned(), given: vec![("argv".to_owned(), json)] }
}

impl ExperimentFile {
    fn read(table: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Self {
        Self {
            name: table.take("name", problems),
            baseline: table.take("baseline", problems),
            environments: table.take("environments", problems),
            image: table.take("image", problems),
            blocks: table.take("blocks", problems),
            min_blocks: table.take("min-blocks", problems),
            max_blocks: table.take("max-blocks", problems),
            time: table.take("time", problems),
            precision: table.take("precision", problems),
            repeats: table.take("repeats", problems),
            seed: table.take("seed", problems),
            margin: table.take("margin", problems),
            level: table.take("level", problems),
            null_test: table.take("null-test", problems),
            timeout: table.take("timeout", problems),
            output_limit: table.take("output-limit", problems),
            keep_output: table.take("keep-output", problems),
            accept_different_output: table.take("accept-different-output", problems),
            budget: table.take_table("budget", "[budget]", problems, |table, problems| BudgetTable {
                cpus: table.take("cpus", problems),
                memory: table.take("memory", problems),
                processes: table.take("processes", problems),
            }),
            samplers: table.take_table("samplers", "[samplers]", problems, |table, problems| SamplersTable {
                rate: table.take("rate", problems),
            }),
            workload: table.take("workload", problems),
        }
    }

    /// The position of the value that a design error is about.
    fn place(&self, what: &str) -> Range<usize> {
        let span = match what {
            "blocks" => [&self.blocks, &self.min_blocks, &self.max_blocks]
                .into_iter()
                .flatten()
                .map(|l| l.span())
                .next(),
            "level" => self.level.as_ref().map(|l| l.span()),
            "margin" => self.margin.as_ref().map(|l| l.span()),
            "time" => self.time.as_ref().map(|l| l.span()),
            "precision" => self.precision.as_ref().map(|l| l.span()),
            "repeats" => self.repeats.as_ref().map(|l| l.span()),
            "timeout" => self.timeout.as_ref().map(|l| l.span()),
            "output-limit" => self.output_limit.as_ref().map(|l| l.span()),
            "environments" => self.environments.as_ref().map(|l| l.span()),
            "workload" => self.workload.as_ref().map(|l| l.span()),
            "rate" => self.samplers.as_ref().and_then(|l| l.value.rate.as_ref()).map(|l| l.span()),
            "memory" => self.budget.as_ref().and_then(|l| l.value.memory.as_ref()).map(|l| l.span()),
            "processes" => self.budget.as_ref().and_then(|l| l.value.processes.as_ref()).map(|l| l.span()),
            _ => None,
        };
        span.unwrap_or(0..0)
    }
}

/// Makes a design from the content of the file.
struct Reading<'a, 'p> {
    text: &'a str,
    problems: &'a mut Problems<'p>,
    defaults: &'a Design,
}

impl Reading<'_, '_> {
    fn design(&mut self, file: &ExperimentFile, drivers: &[Known<'_>], workloads: &[Known<'_>]) -> Design {
        let mut design = self.defaults.clone();
        let before = self.problems.count();
        let drivers = Names::new(Sort::Driver, drivers);
        let environments = self.environments(file, &drivers);
        design.baseline = self.baseline(file, &drivers, &environments).unwrap_or(design.baseline);
        design.environments = environments.into_iter().map(|(spec, _)| spec).collect();
        if let Some(image) = &file.image {
            for spec in design.environments.iter_mut().chain([&mut design.baseline]) {
                let taken = drivers.defs(&spec.driver).unwrap_or_default();
                spec.default_to(IMAGE_SETTING.key, &image.value.0, taken);
            }
        }
        design.workloads = self.workloads(file, &Names::new(Sort::Workload, workloads));
        if let Some(budget) = &file.budget {
            let cpus = budget.value.cpus.as_ref().map(|cpus| cpus.value.0.clone());
            design.budget.cpus = cpus.unwrap_or(design.budget.cpus);
            design.budget.memory =
                budget.value.memory.as_ref().map_or(design.budget.memory, |size| size.value.0);
            let processes = budget.value.processes.as_ref().map(|limit| limit.value);
            design.budget.processes = processes.or(design.budget.processes);
        }
        let rate = file.samplers.as_ref().and_then(|samplers| samplers.value.rate.as_ref());
        design.sampling.rate = rate.map_or(design.sampling.rate, |rate| rate.value);
        design.seed = file.seed.as_ref().map_or(design.seed, |seed| seed.value);
        design.margin = file.margin.as_ref().map_or(design.margin, |margin| margin.value.0);
        design.level = file.level.as_ref().map_or(design.level, |level| level.value.0);
        design.null_test = file.null_test.as_ref().map_or(design.null_test, |flag| flag.value);
        design.timeout = file.timeout.as_ref().map_or(design.timeout, |time| time.value.0);
        design.output_limit = file.output_limit.as_ref().map_or(design.output_limit, |size| size.value.0);
        design.keep_output = file.keep_output.as_ref().map_or(design.keep_output, |flag| flag.value);
        design.accept_different_output =
            file.accept_different_output.as_ref().map_or(design.accept_different_output, |flag| flag.value);
        design.time_limit = file.time.as_ref().map_or(design.time_limit, |time| Some(time.value.0));
        design.precision = file.precision.as_ref().map_or(design.precision, |part| Some(part.value.0));
        design.repeats = file.repeats.as_ref().map_or(design.repeats, |share| share.value.0);
        let complete = self.problems.count() == before;
        let blocks = self.blocks(file, design.level);
        design.blocks = blocks.unwrap_or(design.blocks);
        for error in design.check() {
            self.refuse(file, &error, complete, blocks.is_some());
        }
        design
    }

    /// Reports errors of the design, unless they are caused by errors of the file, which have been reported
    /// already.
    fn refuse(&mut self, file: &ExperimentFile, error: &DesignError, complete: bool, blocks: bool) {
        let what = match error {
            DesignError::NoEnvironment if complete => "environments",
            DesignError::NoWorkload if complete => "workload",
            DesignError::TooFewBlocks { .. }
            | DesignError::TooManyBlocks(_)
            | DesignError::BlocksReversed { .. }
            | DesignError::TooManyTrials(_)
                if blocks =>
            {
                "blocks"
            }
            DesignError::OutOfRange { what, .. } => what,
            // Duplicates are searched here, where their positions are known and defaults are filled in.
            _ => return,
        };
        self.problems.design(file.place(what), error);
    }

    fn environments(
        &mut self,
        file: &ExperimentFile,
        drivers: &Names<'_>,
    ) -> Vec<(EnvironmentSpec, Settings)> {
        let mut found: Vec<(EnvironmentSpec, Settings)> = Vec::new();
        for entry in file.environments.iter().flat_map(|list| &list.value) {
            let Some((spec, settings)) = self.environment(entry, drivers) else { continue };
            let same = |(other, others): &&(EnvironmentSpec, Settings)| {
                (&other.driver, &other.replica, others) == (&spec.driver, &spec.replica, &settings)
            };
            match found.iter().find(same) {
                Some((first, _)) => self.problems.add(
                    entry.span(),
                    format!("environment '{spec}' is given twice"),
                    if *first == spec { "again".to_owned() } else { format!("the same as '{first}'") },
                    format!(
                        "remove one of them; to run the same environment twice, as two conditions, write \
                             the second one as \"{spec}#NAME\""
                    ),
                ),
                None => found.push((spec, settings)),
            }
        }
        found
    }

    fn environment(
        &mut self,
        entry: &Located<EnvironmentEntry>,
        drivers: &Names<'_>,
    ) -> Option<(EnvironmentSpec, Settings)> {
        let given = entry.value.0.as_ref()?;
        let settings = drivers.check(given, self.text, self.problems)?;
        let pairs = given
            .settings
            .iter()
            .filter_map(|setting| Some((setting.key.clone(), setting.values.first()?.text.clone())));
        let spec = EnvironmentSpec {
            driver: given.name.clone(),
            given: pairs.collect(),
            replica: given.replica.clone(),
        };
        Some((spec, settings))
    }

    /// The baseline. If the list of environments contains it in another notation, that notation is used.
    fn baseline(
        &mut self,
        file: &ExperimentFile,
        drivers: &Names<'_>,
        environments: &[(EnvironmentSpec, Settings)],
    ) -> Option<EnvironmentSpec> {
        let (spec, settings) = self.environment(file.baseline.as_ref()?, drivers)?;
        let same = environments.iter().find(|(other, others)| {
            (&other.driver, &other.replica, others) == (&spec.driver, &spec.replica, &settings)
        });
        Some(same.map_or(spec, |(other, _)| other.clone()))
    }

    fn workloads(&mut self, file: &ExperimentFile, names: &Names<'_>) -> Vec<WorkloadSpec> {
        let mut found: Vec<(WorkloadSpec, Settings)> = Vec::new();
        for entry in file.workload.iter().flat_map(|list| &list.value) {
            let Some(given) = &entry.value.0 else { continue };
            if names.check(given, self.text, self.problems).is_none() {
                continue;
            }
            let Some(combinations) = given.combinations(LIMIT_TRIALS / 100) else {
                self.problems.add(
                    entry.span(),
                    format!("workload '{}' has too many combinations of settings", given.name),
                    "every combination of the values in its lists is one workload".to_owned(),
                    "use shorter lists".to_owned(),
                );
                continue;
            };
            for combination in combinations {
                let spec = WorkloadSpec { name: given.name.clone(), given: combination };
                let settings = names.settings(&spec.name, &spec.given);
                match found.iter().find(|(other, others)| other.name == spec.name && *others == settings) {
                    Some(_) => self.problems.add(
                        entry.span(),
                        format!("workload '{spec}' is given twice"),
                        "again".to_owned(),
                        "remove one of them; to repeat a workload more often, run more blocks".to_owned(),
                    ),
                    None => found.push((spec, settings)),
                }
            }
        }
        found.into_iter().map(|(spec, _)| spec).collect()
    }

    /// The number of blocks; `None` if the keys about them contradict each other.
    fn blocks(&mut self, file: &ExperimentFile, level: f64) -> Option<Blocks> {
        let value = |field: &Option<Located<u32>>| field.as_ref().map(|located| located.value);
        let (exact, min, max) = (value(&file.blocks), value(&file.min_blocks), value(&file.max_blocks));
        let few = fewest_blocks(level);
        let span = file.place("blocks");
        let mut refuse = |message: &str, label: &str, help: String| {
            self.problems.add(span.clone(), message.to_owned(), label.to_owned(), help);
            None
        };
        let ends = [("time", file.time.is_some()), ("precision", file.precision.is_some())];
        let is_open = ends.iter().find(|(_, given)| *given).map(|(key, _)| *key);
        match (exact, min, max, file.time.is_some()) {
            (Some(n), None, None, _) => match is_open {
                None => Some(Blocks::exactly(n)),
                Some(key) => refuse(
                    &format!("`blocks` and `{key}` cannot be used together"),
                    &format!("this number of blocks always runs, so the {key} has no effect"),
                    format!(
                        "write max-blocks = {n}, so that the {key} can end the session earlier, or remove \
                         `{key}`"
                    ),
                ),
            },
            (Some(n), ..) => refuse(
                "`blocks` cannot be used together with `min-blocks` or `max-blocks`",
                "this is both",
                format!("write only blocks = {n}, or only min-blocks and max-blocks"),
            ),
            (None, Some(n), max, false) if max != Some(n) => refuse(
                "`min-blocks` has no effect without `time`",
                "without a time limit, all of max-blocks run",
                format!("write blocks = {n}, or add a line such as time = \"5m\""),
            ),
            (None, None, Some(max), false) => Some(Blocks::exactly(max)),
            (None, None, None, false) if is_open.is_none() => Some(self.defaults.blocks),
            (None, min, max, _) => Some(Blocks {
                min: min.unwrap_or_else(|| max.map_or(few, |max| few.min(max))),
                max: max.unwrap_or_else(|| OPEN_BLOCKS.max(min.unwrap_or(0)).max(few)),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
