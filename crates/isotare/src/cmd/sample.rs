//! `isotare sample`: the activity of processes at regular intervals, like `pidstat`.

use crate::cli::{Form, Sample};
use crate::execute::interrupt;
use crate::exit::{Exit, fault, refuse};
use crate::output;
use crate::sample_forms::{Sheet, Tables, time_of_day};
use hdrhistogram::Histogram;
use isotare_cgroup::Hierarchies;
use isotare_core::Timestamp;
use isotare_host::{WaitError, now, sleep_until, thread_cpu_time};
use isotare_samplers::{Scope, Wanted, Watch};
use miette::Report;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Reads until it has been read often enough, nothing is left, or the user stops it.
pub fn sample(arguments: &Sample) -> Result<Exit, Report> {
    let interrupt = interrupt()?;
    if !matches!(arguments.format, Form::Text | Form::Csv | Form::Json) {
        return Err(refuse(
            "isotare sample prints each reading at once, so it has no such format",
            "use --format text, csv or json (one line per row)",
        ));
    }
    let scope = scope(arguments)?;
    let named = !matches!(scope, Scope::All);
    keep_many_files();
    let tables = Tables {
        cpu: arguments.cpu || !(arguments.memory || arguments.disk || arguments.switches),
        memory: arguments.memory,
        disk: arguments.disk,
        switches: arguments.switches,
    };
    let every_column = arguments.format != Form::Text;
    let wanted = Wanted {
        io: tables.disk || every_column,
        switches: tables.switches || every_column,
        threads: arguments.threads,
        idle: named,
    };
    let mut watch = Watch::new(Path::new("/"), scope, wanted)
        .map_err(|unavailable| refuse(unavailable.reason.as_str(), unavailable.remedy.clone()))?;
    let mut pace = Pace::new(arguments.interval);
    watch.read(pace.began);
    let mut sheet = Sheet {
        tables,
        form: arguments.format,
        threads: arguments.threads,
        idle: named,
        has_header: false,
        before: time_of_day(),
    };
    if named && watch.tasks().next().is_none() {
        return Err(refuse(
            "none of these processes is running",
            "name running processes, or a cgroup that contains some",
        ));
    }
    let mut written = sheet.begin().and_then(|text| output::write(&text, arguments.format));
    let mut interrupted = false;
    while written.is_ok() && arguments.count.is_none_or(|count| pace.turns < count) {
        match sleep_until(pace.next(), &interrupt) {
            Ok(()) => {}
            Err(WaitError::Interrupted) => {
                interrupted = true;
                break;
            }
            Err(error) => return Err(fault(error, "")),
        }
        pace.arrived();
        let before = thread_cpu_time();
        watch.read(now());
        pace.cost += thread_cpu_time().saturating_sub(before);
        if named && watch.tasks().next().is_none() {
            break;
        }
        written = sheet.reading(&watch).and_then(|text| output::write(&text, arguments.format));
    }
    let written =
        written.and_then(|()| sheet.end(&watch)).and_then(|text| output::write(&text, arguments.format));
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(fault(format!("stdout cannot be written: {error}"), ""));
        }
        _ => {}
    }
    pace.tell();
    // As with pidstat, the user stops it if no count was given.
    Ok(if interrupted && arguments.count.is_some() { Exit::Interrupted } else { Exit::Done })
}

fn scope(arguments: &Sample) -> Result<Scope, Report> {
    if let Some(path) = &arguments.cgroup {
        let hierarchies = Hierarchies::discover()
            .map_err(|error| refuse(error, "mount one: mount -t cgroup2 none /sys/fs/cgroup"))?;
        let group = hierarchies.open(path.trim_start_matches('/'));
        if !group.exists() {
            let remedy = "give its path below the root of its hierarchy, as /proc/PID/cgroup shows it";
            return Err(refuse(format!("there is no cgroup {path}"), remedy));
        }
        return Ok(Scope::Cgroups(group.procs_files()));
    }
    let mut pids = Vec::new();
    for word in &arguments.processes {
        match word.as_str() {
            "ALL" => return Ok(Scope::All),
            "SELF" => pids.push(std::process::id()),
            number => {
                let pid = number.parse::<u32>().ok().filter(|pid| *pid > 0);
                pids.push(pid.ok_or_else(|| {
                    refuse(format!("'{number}' is not a process number"), "give process numbers, SELF or ALL")
                })?);
            }
        }
    }
    Ok(if pids.is_empty() { Scope::All } else { Scope::Processes(pids) })
}

/// A file is kept open for each process, up to the limit of open files of this process.
fn keep_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Beyond the limit, files are opened again each time.
    let _as_it_was = setrlimit(Resource::Nofile, limit);
}

/// When readings are due, how late they are, and what they cost.
struct Pace {
    began: Timestamp,
    interval: Duration,
    due: Timestamp,
    turns: u64,
    fell_out: u64,
    /// ns.
    late: Histogram<u64>,
    cost: Duration,
}

/// Maximum delay that is recorded exactly, ns: a minute.
const LATEST: u64 = 60_000_000_000;

impl Pace {
    fn new(interval: f64) -> Self {
        let began = now();
        let late =
            Histogram::new_with_bounds(1, LATEST, 3).unwrap_or_else(|_| Histogram::new(3).expect("3 digits"));
        let interval = Duration::from_secs_f64(interval);
        Self { began, interval, due: began, turns: 0, fell_out: 0, late, cost: Duration::ZERO }
    }

    /// The next due time in the future. If a reading takes too long, the readings that it delays are skipped
    /// and do not follow each other without a pause.
    fn next(&mut self) -> Timestamp {
        self.due = self.due.plus(self.interval);
        let behind = now().since(self.due).as_nanos() / self.interval.as_nanos().max(1);
        let behind = u32::try_from(behind).unwrap_or(u32::MAX);
        self.fell_out += u64::from(behind);
        self.due = self.due.plus(self.interval.saturating_mul(behind));
        self.due
    }

    fn arrived(&mut self) {
        self.turns += 1;
        let late = u64::try_from(now().since(self.due).as_nanos()).unwrap_or(LATEST);
        self.late.saturating_record(late.max(1));
    }

    fn tell(&self) {
        if self.turns == 0 {
            return;
        }
        let ms = |ns: u64| ns as f64 / 1e6;
        output::say(&format!(
            "{} readings; they were late by {:.3} ms in the median and {:.3} ms at most; {} were skipped; \
             each took {:.3} ms of CPU time",
            self.turns,
            ms(self.late.value_at_quantile(0.5)),
            ms(self.late.max()),
            self.fell_out,
            self.cost.as_secs_f64() * 1e3 / self.turns as f64
        ));
    }
}
