//! The activity of processes: as `pidstat` prints it, as CSV, or as one line of JSON per row.

use crate::cli::Form;
use isotare_core::{CsvTable, visible_line};
use isotare_host::utc_now;
use isotare_samplers::{Activity, Task, Watch};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::system::{sysinfo, uname};
use serde::Serialize;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Which of pidstat's tables.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// `-u`.
    pub cpu: bool,
    /// `-r`.
    pub memory: bool,
    /// `-d`.
    pub disk: bool,
    /// `-w`.
    pub switches: bool,
}

/// How to show readings.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Which tables, in text.
    pub tables: Tables,
    /// In which form.
    pub form: Form,
    /// Whether there are threads, too.
    pub threads: bool,
    /// Whether also those that did nothing are shown.
    pub idle: bool,
    /// Whether the first line of CSV is written.
    pub has_header: bool,
    /// The time of the reading before, which the headers in text have, as pidstat's.
    pub before: String,
}

/// One table: its columns, and a row of it.
type Table = (&'static str, fn(&mut dyn Write, &Numbers) -> io::Result<()>);

const CPU: Table = ("    %usr %system  %guest   %wait    %CPU   CPU", |out, n| {
    let [user, system, guest, wait, all] = n.cpu;
    write!(out, " {user:7.2} {system:7.2} {guest:7.2} {wait:7.2} {all:7.2}")?;
    match n.last_cpu {
        Some(cpu) => write!(out, " {cpu:5}"),
        None => write!(out, "     -"),
    }
});
const MEMORY: Table = ("  minflt/s  majflt/s     VSZ     RSS   %MEM", |out, n| {
    let [minor, major] = n.faults;
    let [address_space, rss] = n.memory;
    write!(out, " {minor:9.2} {major:9.2} {address_space:7} {rss:7} {:6.2}", n.memory_share)
});
const DISK: Table = ("   kB_rd/s   kB_wr/s kB_ccwr/s iodelay", |out, n| {
    // Where they may not be read, as pidstat.
    let io = n.io.unwrap_or([-1.0; 3]);
    write!(out, " {:9.2} {:9.2} {:9.2} {:7}", io[0], io[1], io[2], n.io_delay)
});
const SWITCHES: Table = ("   cswch/s nvcswch/s", |out, n| {
    let [voluntary, involuntary] = n.switches.unwrap_or([-1.0; 2]);
    write!(out, " {voluntary:9.2} {involuntary:9.2}")
});

/// A task's activity in pidstat's units.
struct Numbers {
    /// User (without guest), system, guest, wait, all; per cent of one CPU.
    cpu: [f64; 5],
    last_cpu: Option<u64>,
    /// Minor and major, 1/s.
    faults: [f64; 2],
    /// Address space and resident memory, KiB.
    memory: [u64; 2],
    /// Per cent of the machine's.
    memory_share: f64,
    /// Read, written, cancelled; KiB/s.
    io: Option<[f64; 3]>,
    /// Ticks.
    io_delay: u64,
    /// Voluntary and involuntary, 1/s.
    switches: Option<[f64; 2]>,
}

impl Numbers {
    fn of(activity: &Activity, is_mean: bool) -> Self {
        let seconds = activity.interval.as_secs_f64().max(1e-9);
        let rate = |count: u64| count as f64 / seconds;
        let percent = |ticks: u64| 100.0 * rate(ticks) / clock_ticks_per_second() as f64;
        let rss = activity.rss_pages * page_size() as u64;
        let ram = sysinfo();
        let ram = (ram.totalram as f64 * f64::from(ram.mem_unit)).max(1.0);
        Self {
            cpu: [
                percent(activity.user.saturating_sub(activity.guest)),
                percent(activity.system),
                percent(activity.guest),
                rate(activity.run_delay) / 1e7,
                percent(activity.user + activity.system),
            ],
            last_cpu: (!is_mean).then_some(activity.cpu),
            faults: [rate(activity.minor_faults), rate(activity.major_faults)],
            memory: [activity.address_space / 1024, rss / 1024],
            memory_share: 100.0 * rss as f64 / ram,
            io: activity.io.map(|io| io.map(|bytes| rate(bytes) / 1024.0)),
            io_delay: activity.io_delay,
            switches: activity.switches.map(|(voluntary, involuntary)| [rate(voluntary), rate(involuntary)]),
        }
    }
}

/// A process or a thread, and what it did.
struct Row<'a> {
    user: u32,
    pid: u32,
    tid: Option<u32>,
    name: &'a str,
    activity: Activity,
}

impl<'a> Row<'a> {
    fn of(task: &'a Task, activity: Activity) -> Self {
        Self { user: task.user, pid: task.pid, tid: task.tid, name: &task.name, activity }
    }
}

/// A row for programs.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    interval_s: f64,
    user: u32,
    pid: u32,
    tid: Option<u32>,
    command: &'a str,
    usr_percent: f64,
    system_percent: f64,
    guest_percent: f64,
    wait_percent: f64,
    cpu_percent: f64,
    cpu: Option<u64>,
    minor_faults_per_s: f64,
    major_faults_per_s: f64,
    address_space_kib: u64,
    rss_kib: u64,
    memory_percent: f64,
    read_kib_per_s: Option<f64>,
    write_kib_per_s: Option<f64>,
    cancelled_write_kib_per_s: Option<f64>,
    io_delay_ticks: u64,
    voluntary_switches_per_s: Option<f64>,
    involuntary_switches_per_s: Option<f64>,
}

impl<'a> Line<'a> {
    fn of(row: &Row<'a>, time: &'a str) -> Self {
        let n = Numbers::of(&row.activity, false);
        let [usr_percent, system_percent, guest_percent, wait_percent, cpu_percent] = n.cpu;
        let io = |which: usize| n.io.map(|io| io[which]);
        let switches = |which: usize| n.switches.map(|switches| switches[which]);
        Self {
            time,
            interval_s: row.activity.interval.as_secs_f64(),
            user: row.user,
            pid: row.pid,
            tid: row.tid,
            command: row.name,
            usr_percent,
            system_percent,
            guest_percent,
            wait_percent,
            cpu_percent,
            cpu: n.last_cpu,
            minor_faults_per_s: n.faults[0],
            major_faults_per_s: n.faults[1],
            address_space_kib: n.memory[0],
            rss_kib: n.memory[1],
            memory_percent: n.memory_share,
            read_kib_per_s: io(0),
            write_kib_per_s: io(1),
            cancelled_write_kib_per_s: io(2),
            io_delay_ticks: n.io_delay,
            voluntary_switches_per_s: switches(0),
            involuntary_switches_per_s: switches(1),
        }
    }
}

impl Sheet {
    /// What comes first.
    pub fn begin(&self) -> io::Result<String> {
        match self.form {
            Form::Text => {
                let system = uname();
                let [year, month, day, ..] = utc_now();
                let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
                let cpus = std::thread::available_parallelism().map_or(1, usize::from);
                Ok(format!(
                    "{} {} ({}) \t{month:02}/{day:02}/{year} \t_{}_\t({cpus} CPU)\n",
                    text(system.sysname()),
                    text(system.release()),
                    text(system.nodename()),
                    text(system.machine())
                ))
            }
            _ => Ok(String::new()),
        }
    }

    /// One reading.
    pub fn reading(&mut self, watch: &Watch) -> io::Result<String> {
        let time = time_of_day();
        let rows: Vec<Row<'_>> = self.shown(watch, false).collect();
        let mut out = Vec::new();
        match self.form {
            Form::Text => {
                let before = std::mem::replace(&mut self.before, time.clone());
                self.text(&mut out, &rows, &before, &time, false)?;
            }
            Form::Csv => self.csv(&mut out, &rows, &time)?,
            _ => json(&mut out, &rows, &time)?,
        }
        String::from_utf8(out).map_err(io::Error::other)
    }

    /// What comes last: the means over all readings.
    pub fn end(&self, watch: &Watch) -> io::Result<String> {
        let mut out = Vec::new();
        if self.form == Form::Text {
            let rows: Vec<Row<'_>> = self.shown(watch, true).collect();
            self.text(&mut out, &rows, "Average:", "Average:", true)?;
        }
        String::from_utf8(out).map_err(io::Error::other)
    }

    fn shown<'a>(&self, watch: &'a Watch, is_mean: bool) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let idle = self.idle;
        let activity = move |task: &'a Task| if is_mean { task.since_first() } else { task.activity() };
        watch
            .tasks()
            .filter_map(move |task| Some(Row::of(task, activity(task)?)))
            .filter(move |row| idle || !row.activity.is_idle())
    }

    /// Each table: a header with the time of the reading before, and the rows with that of this one.
    fn text(
        &self,
        out: &mut impl Write,
        rows: &[Row<'_>],
        before: &str,
        time: &str,
        is_mean: bool,
    ) -> io::Result<()> {
        let Tables { cpu, memory, disk, switches } = self.tables;
        let all = [(cpu, CPU), (memory, MEMORY), (disk, DISK), (switches, SWITCHES)];
        for (_, (columns, numbers)) in all.into_iter().filter(|(wanted, _)| *wanted) {
            let ids = if self.threads { "      TGID       TID" } else { "       PID" };
            writeln!(out, "\n{before:<15}   UID{ids}{columns}  Command")?;
            for row in rows {
                write!(out, "{time:<15} {:5}", row.user)?;
                match (self.threads, row.tid) {
                    (false, _) => write!(out, " {:9}", row.pid)?,
                    (true, None) => write!(out, " {:9}         -", row.pid)?,
                    (true, Some(tid)) => write!(out, "         - {tid:9}")?,
                }
                numbers(out, &Numbers::of(&row.activity, is_mean))?;
                let indent = if row.tid.is_some() { "|__" } else { "" };
                // Any user can choose the name of a process, and it can contain a line feed:
                // proc_pid_comm(5).
                writeln!(out, "  {indent}{}", visible_line(row.name))?;
            }
        }
        Ok(())
    }

    fn csv(&mut self, out: &mut impl Write, rows: &[Row<'_>], time: &str) -> io::Result<()> {
        let mut table = if self.has_header { CsvTable::continued(out) } else { CsvTable::new(out) };
        for row in rows {
            table.row(&Line::of(row, time))?;
            self.has_header = true;
        }
        table.flush()
    }
}

fn json(out: &mut impl Write, rows: &[Row<'_>], time: &str) -> io::Result<()> {
    rows.iter().try_for_each(|row| {
        serde_json::to_writer(&mut *out, &Line::of(row, time))?;
        writeln!(out)
    })
}

/// `10:00:01.250000`, UTC. With whole seconds, as in pidstat, readings that are closer together would have
/// the same time.
pub fn time_of_day() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    clock_face(since)
}

fn clock_face(since: Duration) -> String {
    let second = since.as_secs() % 86_400;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{hour:02}:{minute:02}:{:02}.{:06}", second % 60, since.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_import::{Metric, Status, read};
    use proptest::prelude::*;

    const COLUMNS: [(&str, usize); 4] = [("%usr", 0), ("minflt/s", 1), ("kB_wr/s", 2), ("cswch/s", 3)];

    fn tables(wanted: [bool; 4]) -> Tables {
        let [cpu, memory, disk, switches] = wanted;
        Tables { cpu: cpu || wanted == [false; 4], memory, disk, switches }
    }

    /// The value after printing it with two decimals.
    fn printed(value: f64) -> f64 {
        format!("{value:.2}").parse().expect("a number")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// `import` reads what `sample` printed: the same processes, the same number of rows, and the mean of
        /// the printed values.
        #[test]
        fn import_reads_back_what_was_printed(
            microseconds in prop_oneof![50_u64..1_000_000, 1_000_000_u64..20_000_000],
            wanted in any::<[bool; 4]>(),
            threads in any::<bool>(),
            processes in 1_u32..6,
            counts in prop::collection::vec(0_u64..5000, 2..40),
            begin in 0_u64..200_000_000,
        ) {
            let tables = tables(wanted);
            let sheet = Sheet {
                tables, form: Form::Text, threads, idle: true, has_header: false, before: String::new(),
            };
            let mut out = Vec::new();
            out.extend(sheet.begin().expect("written").into_bytes());
            let interval = Duration::from_micros(microseconds);
            let at = |reading: u32| clock_face(Duration::from_millis(begin) + interval * reading);
            let activity = |count: u64, process: u32| {
                let amount = count + u64::from(process);
                Activity {
                    interval, user: amount % 90, minor_faults: amount, io: Some([0, amount * 1024, 0]),
                    switches: Some((amount, 0)), ..Activity::default()
                }
            };
            let names = ["init", "web worker 1", "a:b", "12", "-", "x%"];
            let row = |process: u32, activity: Activity| {
                // Every second one is a thread of the process before it.
                let thread = threads && process % 2 == 1;
                let (pid, tid) = if thread { (99 + process, Some(100 + process)) } else { (100 + process, None) };
                Row { user: 0, pid, tid, name: names[process as usize], activity }
            };
            for (reading, count) in (1..).zip(&counts) {
                let rows: Vec<Row<'_>> = (0..processes).map(|process| row(process, activity(*count, process))).collect();
                sheet.text(&mut out, &rows, &at(reading - 1), &at(reading), false).expect("written");
            }
            let found = read("sample", &out, None);
            let text = String::from_utf8(out).expect("text");
            prop_assert_eq!((found.tool, found.complete, found.runs.len()), (Some("pidstat"), processes as usize, processes as usize), "{:?}\n{}", found, text);
            prop_assert!(found.warnings.is_empty(), "{:?}\n{}", found.warnings, text);
            for (run, process) in found.runs.iter().zip(0..) {
                prop_assert_eq!(run.status, Status::Complete);
                prop_assert_eq!(&run.labels["command"], names[process as usize]);
                let value = |name: &str| run.metrics.iter().find(|metric: &&Metric| metric.name == name).map(|metric| metric.value);
                prop_assert_eq!(value("rows"), Some(counts.len() as f64));
                let shown = [tables.cpu, tables.memory, tables.disk, tables.switches];
                for (name, table) in COLUMNS {
                    let expect = counts.iter().map(|count| {
                        let n = Numbers::of(&activity(*count, process), false);
                        let values = [n.cpu[0], n.faults[0], n.io.expect("there")[1], n.switches.expect("there")[0]];
                        printed(values[table])
                    });
                    let mean = expect.sum::<f64>() / counts.len() as f64;
                    let close = value(name).map(|value| (value - mean).abs() <= 1e-9 * mean.abs().max(1.0));
                    prop_assert_eq!(close, shown[table].then_some(true), "{}\n{}", name, text);
                }
            }
        }
    }
}
