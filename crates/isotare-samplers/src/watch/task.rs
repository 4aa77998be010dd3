//! One process or thread between readings.

use crate::process::counts::Counter;
use crate::process::files::ProcFiles;
use crate::process::stat::{self, Stat};
use isotare_core::Timestamp;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::time::Duration;

/// What to read in addition to CPU time, faults and memory, which are all in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Bytes read and written.
    pub io: bool,
    /// Context switches.
    pub switches: bool,
    /// Each thread, too.
    pub threads: bool,
    /// Also what did not run: its memory may have changed.
    pub idle: bool,
}

/// A process or a thread.
#[derive(Debug)]
pub struct Task {
    /// Its process.
    pub pid: u32,
    /// Its own number, if it is a thread of the process.
    pub tid: Option<u32>,
    /// Name, at most 15 bytes.
    pub name: String,
    /// Number of its real user.
    pub user: u32,
    kept: Option<OwnedFd>,
    /// Whether its file could not be kept, so that it is opened each time.
    unkept: bool,
    first: Snapshot,
    before: Snapshot,
    now: Snapshot,
    /// The first and the last two moments at which it was read.
    moments: [Timestamp; 3],
    readings: u64,
}

/// What the files of a task say at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Snapshot {
    /// Time on a CPU and on a run queue, ns.
    run_time: (u64, u64),
    stat: Stat,
    io: Option<[u64; 3]>,
    switches: Option<(u64, u64)>,
}

/// What a task did between two readings, and what it has at the later one. What cannot be read is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Activity {
    /// Time between the readings.
    pub interval: Duration,
    /// Ticks in user mode, guests included.
    pub user: u64,
    /// Ticks in the kernel.
    pub system: u64,
    /// Ticks in guests; part of `user`.
    pub guest: u64,
    /// Time on a run queue, ns.
    pub run_delay: u64,
    /// The CPU on which it ran last.
    pub cpu: u64,
    /// Faults without I/O.
    pub minor_faults: u64,
    /// Faults with I/O.
    pub major_faults: u64,
    /// Bytes of its address space.
    pub address_space: u64,
    /// Resident pages.
    pub rss_pages: u64,
    /// Bytes read from storage, written to it, and written but dropped before.
    pub io: Option<[u64; 3]>,
    /// Ticks of waiting for block I/O.
    pub io_delay: u64,
    /// Voluntary and involuntary switches.
    pub switches: Option<(u64, u64)>,
}

impl Activity {
    fn between(before: &Snapshot, now: &Snapshot, interval: Duration) -> Self {
        let since = |counter| now.stat.own[counter].saturating_sub(before.stat.own[counter]);
        let grown =
            |now: [u64; 3], before: [u64; 3]| [0, 1, 2].map(|i: usize| now[i].saturating_sub(before[i]));
        let switches = now.switches.zip(before.switches);
        Self {
            interval,
            user: since(Counter::User),
            system: since(Counter::System),
            guest: since(Counter::Guest),
            run_delay: now.run_time.1.saturating_sub(before.run_time.1),
            cpu: now.stat.cpu,
            minor_faults: since(Counter::Minor),
            major_faults: since(Counter::Major),
            address_space: now.stat.address_space,
            rss_pages: now.stat.rss_pages,
            io: now.io.zip(before.io).map(|(now, before)| grown(now, before)),
            io_delay: now.stat.io_delay.saturating_sub(before.stat.io_delay),
            switches: switches
                .map(|(now, before)| (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1))),
        }
    }

    /// Whether it did anything that a table shows.
    pub fn is_idle(&self) -> bool {
        let io: u64 = self.io.into_iter().flatten().sum();
        let switches = self.switches.map_or(0, |(voluntary, involuntary)| voluntary + involuntary);
        self.user
            + self.system
            + self.run_delay
            + self.minor_faults
            + self.major_faults
            + io
            + self.io_delay
            + switches
            == 0
    }
}

impl Task {
    pub(crate) fn new(pid: u32, tid: Option<u32>) -> Self {
        Self {
            pid,
            tid,
            // `TASK_COMM_LEN`: another name of the same process then needs no more.
            name: String::with_capacity(16),
            user: 0,
            kept: None,
            unkept: false,
            first: Snapshot::default(),
            before: Snapshot::default(),
            now: Snapshot::default(),
            moments: [Timestamp::default(); 3],
            readings: 0,
        }
    }

    /// What it did between the last two readings; `None` if it was not there before.
    pub fn activity(&self) -> Option<Activity> {
        let [_, before, now] = self.moments;
        (self.readings > 1).then(|| Activity::between(&self.before, &self.now, now.since(before)))
    }

    /// What it did since its first reading.
    pub fn since_first(&self) -> Option<Activity> {
        let [first, _, now] = self.moments;
        (self.readings > 1).then(|| Activity::between(&self.first, &self.now, now.since(first)))
    }

    /// Reads what there is; false if it is gone.
    pub(crate) fn read(
        &mut self,
        at: Timestamp,
        files: &mut ProcFiles,
        wanted: Wanted,
        tells_run_time: bool,
    ) -> bool {
        let run_time = match tells_run_time {
            true => self.run_time(files),
            false => Ok((0, 0)),
        };
        let Ok(run_time) = run_time else { return false };
        let is_first = self.readings == 0;
        let has_run = !tells_run_time || run_time.0 != self.now.run_time.0;
        let alone = self.tid.is_some() || self.now.stat.threads == 1;
        self.readings += 1;
        self.moments = match is_first {
            true => [at; 3],
            false => [self.moments[0], self.moments[2], at],
        };
        self.before = self.now;
        self.now.run_time = run_time;
        if !is_first && !has_run && alone && !wanted.idle {
            return true;
        }
        let is_there = self.read_in_full(files, wanted);
        if is_first {
            (self.first, self.before) = (self.now, self.now);
            let user = self.file(files, "status").and_then(stat::user);
            self.user = user.and_then(|user| u32::try_from(user).ok()).unwrap_or(0);
        }
        is_there
    }

    fn read_in_full(&mut self, files: &mut ProcFiles, wanted: Wanted) -> bool {
        let Some(stat) = self.read_stat(files) else { return false };
        self.now.stat = stat;
        if wanted.io {
            let io = self.file(files, "io").and_then(stat::io);
            self.now.io =
                io.map(|io| [Counter::Read, Counter::Write, Counter::Cancelled].map(|counter| io[counter]));
        }
        if wanted.switches {
            self.now.switches = self.file(files, "status").and_then(stat::switches);
        }
        true
    }

    /// `stat`, with the name where it has changed.
    fn read_stat(&mut self, files: &mut ProcFiles) -> Option<Stat> {
        let text = self.file(files, "stat")?;
        let stat = Stat::parse(text)?;
        let name = stat::name(text)?;
        if self.name.as_bytes() != name {
            self.name.clear();
            self.name.push_str(&String::from_utf8_lossy(name));
        }
        Some(stat)
    }

    fn file<'a>(&self, files: &'a mut ProcFiles, file: &str) -> Option<&'a [u8]> {
        match self.tid {
            Some(tid) => files.of_thread(self.pid, tid, file).ok(),
            None => files.of_process(self.pid, file).ok(),
        }
    }

    /// Time on a CPU and on a run queue, ns, of the thread or of the process's first one.
    fn run_time(&mut self, files: &mut ProcFiles) -> Result<(u64, u64), Errno> {
        let tid = self.tid.unwrap_or(self.pid);
        if self.kept.is_none() && !self.unkept {
            match files.keep(self.pid, tid, "schedstat") {
                Ok(file) => self.kept = Some(file),
                Err(Errno::MFILE | Errno::NFILE) => self.unkept = true,
                Err(error) => return Err(error),
            }
        }
        let text = match &self.kept {
            Some(file) => files.again(file)?,
            None => files.of_thread(self.pid, tid, "schedstat")?,
        };
        Ok(stat::schedstat(text).unwrap_or_default())
    }
}
