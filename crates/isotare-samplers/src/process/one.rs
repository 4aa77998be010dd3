//! The state of one process between readings: its last known counters and its role.

use super::account::Known;
use super::counts::{Counter, Counts};
use super::files::ProcFiles;
use super::stat::{self, Stat};
use isotare_core::Role;
use rustix::fd::OwnedFd;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Metrics that stand or fall with one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// `io`.
    Io,
    /// `status`, for the switches.
    Status,
    /// `schedstat`.
    Schedstat,
    /// `smaps_rollup`.
    Smaps,
}

/// Where and as whose a process was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its id.
    pub pid: u32,
    /// Whose work it does.
    pub role: Role,
    /// Whether it serves others too.
    pub shared: bool,
    /// Its threads that have a role of their own, by how their names begin.
    pub threads: &'static [(&'static str, Role)],
}

/// How thoroughly to read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Depth {
    /// Switches and run delay of each thread.
    pub threads: bool,
    /// Proportional memory.
    pub pss: bool,
}

/// What all processes of a sampler add to.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Running totals.
    pub totals: BTreeMap<Role, Counts>,
    /// What some process of a role does not let us read: its metric is left out from then on.
    pub unreadable: BTreeSet<(Role, Source)>,
}

impl Ledger {
    fn add(&mut self, role: Role, more: Counts) {
        let total = self.totals.entry(role).or_default();
        *total = total.plus(more);
    }
}

/// A tracked process.
#[derive(Default)]
pub(crate) struct Process {
    /// What the accounts need.
    pub known: Known,
    /// Its role; a process without one has not been read.
    pub role: Option<Role>,
    /// Whether it serves others too.
    pub shared: bool,
    /// Resident pages.
    pub rss_pages: u64,
    /// Proportional memory, if it was read this time.
    pub pss: Option<u64>,
    /// The reading that saw it last.
    pub seen: u64,
    /// What is not those threads' that have a role of their own.
    rest: Counts,
    /// Those, by id.
    named: HashMap<u32, Named>,
    /// Switches and run delay of each thread.
    threads: HashMap<u32, Counts>,
    /// Its `schedstat`, kept open while it has one thread.
    schedstat: Option<OwnedFd>,
    /// Its run time just before it was last read in full, ns.
    ran: Option<u64>,
}

/// A thread with a role of its own.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Its CPU time and faults.
    pub counts: Counts,
}

impl Process {
    /// Its threads that have a role of their own, those included that have ended.
    pub fn named(&self) -> impl Iterator<Item = &Named> {
        self.named.values()
    }

    /// Whether its `schedstat` is kept open.
    pub fn is_kept(&self) -> bool {
        self.schedstat.is_some()
    }

    /// How long it has run, if that is all that has to be known: it has one thread, and the kernel tells, ns.
    pub fn run_time(&self, files: &mut ProcFiles) -> Option<u64> {
        let (ran, _) = files.again(self.schedstat.as_ref()?).ok().and_then(stat::schedstat)?;
        (ran > 0).then_some(ran)
    }

    /// Whether it has not run since it was last read in full: then nothing of it has changed, and it has no
    /// new children.
    pub fn has_slept(&self, run_time: Option<u64>) -> bool {
        run_time.is_some() && run_time == self.ran
    }

    /// Records that it has not run.
    pub fn slept(&mut self) {
        self.known.reaped_now = Counts::default();
    }

    /// Keeps what is needed to see next time whether it has run since `run_time` was read.
    pub fn keep(&mut self, pid: u32, stat: &Stat, run_time: Option<u64>, files: &mut ProcFiles) {
        let is_simple = stat.threads == 1 && !stat.ended;
        self.ran = run_time.filter(|_| is_simple);
        if !is_simple {
            self.schedstat = None;
        } else if self.schedstat.is_none() {
            self.schedstat = files.keep(pid, pid, "schedstat").ok();
        }
    }

    /// Takes a new `stat` and reads the rest. `before`: it is new to us, but older than the window, so what
    /// it has is where it starts from.
    pub fn update(
        &mut self,
        place: Place,
        stat: Stat,
        depth: Depth,
        before: bool,
        files: &mut ProcFiles,
        ledger: &mut Ledger,
    ) {
        let fresh = self.role.is_none();
        let mut ignored = Ledger::default();
        (self.role, self.shared, self.rss_pages) = (Some(place.role), place.shared, stat.rss_pages);
        self.known.start = stat.start;
        let unreadable = {
            let into = if before { &mut ignored } else { &mut *ledger };
            let io = self.read_io(place, &stat, files, into);
            self.count(place, stat, io, fresh, files, into);
            if depth.threads || fresh {
                self.read_threads(place, &stat, files, into);
            }
            self.pss = if depth.pss { self.read_pss(place, &stat, files, into) } else { None };
            std::mem::take(&mut ignored.unreadable)
        };
        ledger.unreadable.extend(unreadable);
    }

    /// CPU time, faults and I/O.
    fn count(
        &mut self,
        place: Place,
        stat: Stat,
        io: Counts,
        fresh: bool,
        files: &mut ProcFiles,
        ledger: &mut Ledger,
    ) {
        let reapable = stat.reaped.plus(io);
        self.known.reaped_now = if fresh { Counts::default() } else { reapable.minus(self.known.reapable) };
        self.known.reapable = reapable;
        self.known.all = stat.own.plus(reapable);
        if !place.threads.is_empty() {
            for tid in files.threads(place.pid) {
                self.count_thread(place, tid, files, ledger);
            }
        }
        let of_threads = self.named.values().fold(Counts::default(), |sum, thread| sum.plus(thread.counts));
        // Times of threads and of their process are rounded apart, so the rest could step back by a tick.
        let rest = self.rest.max(self.known.all.minus(of_threads));
        ledger.add(place.role, rest.minus(self.rest));
        self.rest = rest;
    }

    /// CPU time and faults of a thread that has a role of its own.
    fn count_thread(&mut self, place: Place, tid: u32, files: &mut ProcFiles, ledger: &mut Ledger) {
        let Ok(text) = files.of_thread(place.pid, tid, "stat") else { return };
        let (Some(name), Some(thread)) = (stat::name(text), Stat::parse(text)) else { return };
        let own = |(prefix, _): &&(&str, Role)| name.starts_with(prefix.as_bytes());
        let Some((_, role)) = place.threads.iter().find(own) else { return };
        let fresh = || Named {
            name: String::from_utf8_lossy(name).into_owned(),
            role: *role,
            counts: Counts::default(),
        };
        let known = &mut self.named.entry(tid).or_insert_with(fresh).counts;
        ledger.add(*role, thread.own.minus(*known));
        *known = known.max(thread.own);
    }

    fn read_io(&self, place: Place, stat: &Stat, files: &mut ProcFiles, ledger: &mut Ledger) -> Counts {
        // One that has ended keeps what it had.
        files.of_process(place.pid, "io").ok().and_then(stat::io).unwrap_or_else(|| {
            refuse(place, stat, Source::Io, files, ledger);
            let mut counts = Counts::default();
            for counter in [Counter::Read, Counter::Write, Counter::Cancelled] {
                counts[counter] = self.known.all[counter];
            }
            counts
        })
    }

    fn read_threads(&mut self, place: Place, stat: &Stat, files: &mut ProcFiles, ledger: &mut Ledger) {
        if stat.ended {
            return;
        }
        let tids = if stat.threads <= 1 { vec![place.pid] } else { files.threads(place.pid) };
        for tid in tids {
            let mut counts = Counts::default();
            match files.of_thread(place.pid, tid, "status").ok().and_then(stat::switches) {
                Some((voluntary, involuntary)) => {
                    (counts[Counter::Voluntary], counts[Counter::Involuntary]) = (voluntary, involuntary);
                }
                None if tid == place.pid => refuse(place, stat, Source::Status, files, ledger),
                None => {}
            }
            match files.of_thread(place.pid, tid, "schedstat").ok().and_then(stat::run_delay) {
                Some(ns) => counts[Counter::RunDelay] = ns,
                None if tid == place.pid => refuse(place, stat, Source::Schedstat, files, ledger),
                None => {}
            }
            let known = self.threads.entry(tid).or_default();
            let role = self.named.get(&tid).map_or(place.role, |thread| thread.role);
            ledger.add(role, counts.minus(*known));
            *known = known.max(counts);
        }
    }

    fn read_pss(&self, place: Place, stat: &Stat, files: &mut ProcFiles, ledger: &mut Ledger) -> Option<u64> {
        if stat.rss_pages == 0 {
            return Some(0);
        }
        let pss = files.of_process(place.pid, "smaps_rollup").ok().and_then(stat::pss);
        if pss.is_none() {
            refuse(place, stat, Source::Smaps, files, ledger);
        }
        pss
    }
}

/// Notes that a file of a process cannot be read, unless that is because the process has ended since.
fn refuse(place: Place, stat: &Stat, source: Source, files: &mut ProcFiles, ledger: &mut Ledger) {
    let now = files.of_process(place.pid, "stat").ok().and_then(Stat::parse);
    if now.is_some_and(|now| now.start == stat.start && !now.ended) {
        ledger.unreadable.insert((place.role, source));
    }
}
