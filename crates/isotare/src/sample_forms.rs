//! What processes did, as `pidstat` prints it, as CSV and as a line of JSON for each row.

use crate::cli::Form;
use isotare_core::{CsvTable, visible_line};
use isotare_host::utc_now;
use isotare_samplers::{Activity, Task, Watch};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::system::{sysinfo, uname};
use serde::Serialize;
use std::io::{self, Write};

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
#[derive(Clone, Copy, Debug)]
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
    fn of(task: &'a Task, activity: &Activity, time: &'a str) -> Self {
        let n = Numbers::of(activity, false);
        let [usr_percent, system_percent, guest_percent, wait_percent, cpu_percent] = n.cpu;
        let io = |which: usize| n.io.map(|io| io[which]);
        let switches = |which: usize| n.switches.map(|switches| switches[which]);
        Self {
            time,
            interval_s: activity.interval.as_secs_f64(),
            user: task.user,
            pid: task.pid,
            tid: task.tid,
            command: &task.name,
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
        let [.., hour, minute, second] = utc_now();
        let time = format_args!("{hour:02}:{minute:02}:{second:02}").to_string();
        let mut out = Vec::new();
        match self.form {
            Form::Text => self.text(&mut out, watch, &time, false)?,
            Form::Csv => self.csv(&mut out, watch, &time)?,
            _ => self.json(&mut out, watch, &time)?,
        }
        String::from_utf8(out).map_err(io::Error::other)
    }

    /// What comes last: the means over all readings.
    pub fn end(&self, watch: &Watch) -> io::Result<String> {
        let mut out = Vec::new();
        if self.form == Form::Text {
            self.text(&mut out, watch, "Average:", true)?;
        }
        String::from_utf8(out).map_err(io::Error::other)
    }

    fn shown<'a>(
        &self,
        watch: &'a Watch,
        is_mean: bool,
    ) -> impl Iterator<Item = (&'a Task, Activity)> + use<'a> {
        let idle = self.idle;
        let activity = move |task: &'a Task| if is_mean { task.since_first() } else { task.activity() };
        watch
            .tasks()
            .filter_map(move |task| Some((task, activity(task)?)))
            .filter(move |(_, activity)| idle || !activity.is_idle())
    }

    fn text(&self, out: &mut impl Write, watch: &Watch, time: &str, is_mean: bool) -> io::Result<()> {
        let Tables { cpu, memory, disk, switches } = self.tables;
        let all = [(cpu, CPU), (memory, MEMORY), (disk, DISK), (switches, SWITCHES)];
        for (_, (columns, row)) in all.into_iter().filter(|(wanted, _)| *wanted) {
            let ids = if self.threads { "      TGID       TID" } else { "       PID" };
            writeln!(out, "\n{time:<11}   UID{ids}{columns}  Command")?;
            for (task, activity) in self.shown(watch, is_mean) {
                write!(out, "{time:<11} {:5}", task.user)?;
                match (self.threads, task.tid) {
                    (false, _) => write!(out, " {:9}", task.pid)?,
                    (true, None) => write!(out, " {:9}         -", task.pid)?,
                    (true, Some(tid)) => write!(out, "         - {tid:9}")?,
                }
                row(out, &Numbers::of(&activity, is_mean))?;
                let indent = if task.tid.is_some() { "|__" } else { "" };
                // Any user names processes, with a line feed too: proc_pid_comm(5).
                writeln!(out, "  {indent}{}", visible_line(&task.name))?;
            }
        }
        Ok(())
    }

    fn json(&self, out: &mut impl Write, watch: &Watch, time: &str) -> io::Result<()> {
        self.shown(watch, false).try_for_each(|(task, activity)| {
            serde_json::to_writer(&mut *out, &Line::of(task, &activity, time))?;
            writeln!(out)
        })
    }

    fn csv(&mut self, out: &mut impl Write, watch: &Watch, time: &str) -> io::Result<()> {
        let mut table = if self.has_header { CsvTable::continued(out) } else { CsvTable::new(out) };
        for (task, activity) in self.shown(watch, false) {
            table.row(&Line::of(task, &activity, time))?;
            self.has_header = true;
        }
        table.flush()
    }
}
