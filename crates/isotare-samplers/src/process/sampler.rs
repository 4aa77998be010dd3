//! Reads the process trees of a footprint and returns the totals.

use super::account::{self, Known};
use super::counts::{Counter, Counts};
use super::files::ProcFiles;
use super::one::{Depth, Ledger, Place, Process, Source};
use super::stat::Stat;
use super::tree::Children;
use super::{METERS, THREAD_CPU};
use crate::Closing;
use crate::window::part;
use isotare_core::{Footprint, Member, Reading, Role, Sampler, SamplerError, Timestamp, Unavailable};
use rustix::param::{clock_ticks_per_second, page_size};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

/// How often the files of threads are read while the window lasts.
const THREADS_EVERY: Duration = Duration::from_secs(1);
/// When proportional memory is read first, and how often after that: it walks page tables under a lock that
/// the workload needs.
const PSS_AFTER: Duration = Duration::from_secs(1);
const PSS_EVERY: Duration = Duration::from_secs(10);
/// Files that are kept open at most: the rest of the program needs some, too, of the 1024 that are usual.
const MOST_KEPT: usize = 512;

/// Reads the process trees of a footprint.
pub struct ProcessSampler {
    files: ProcFiles,
    children: Children,
    closing: Closing,
    ledger: Ledger,
    tracked: HashMap<u32, Process>,
    /// When each member began, so that a reused id is not taken for it.
    starts: HashMap<u32, u64>,
    /// Memory of shared processes at the first reading: pages, and bytes in proportion.
    baseline: BTreeMap<Role, (u64, u64)>,
    /// How many processes have a file that is kept open.
    kept: usize,
    /// Readings so far.
    readings: u64,
    /// When the window began, ticks since boot.
    began: u64,
    /// When the files of threads are next due.
    threads_due: Timestamp,
    /// When proportional memory is next due.
    pss_due: Timestamp,
}

impl ProcessSampler {
    /// For the machine whose file systems are below `root`.
    pub fn new(root: &Path, closing: Closing) -> Result<Self, Unavailable> {
        let missing = |cause: String| Unavailable::new(cause, "mount it: mount -t proc proc /proc");
        let mut files = ProcFiles::open(root)
            .map_err(|error| missing(format!("{} cannot be opened: {error}", root.join("proc").display())))?;
        let some = files.processes().into_iter().min();
        let some =
            some.ok_or_else(|| missing(format!("{} lists no process", root.join("proc").display())))?;
        Ok(Self {
            children: Children::probe(&mut files, some),
            files,
            closing,
            ledger: Ledger::default(),
            tracked: HashMap::new(),
            starts: HashMap::new(),
            baseline: BTreeMap::new(),
            kept: 0,
            readings: 0,
            began: 0,
            threads_due: Timestamp::default(),
            pss_due: Timestamp::default(),
        })
    }

    /// How thoroughly to read now.
    fn due(&mut self, first: bool, at: Timestamp) -> Depth {
        let closing = self.closing.is_raised();
        let threads = first || closing || at >= self.threads_due;
        let pss = first || closing || at >= self.pss_due;
        if threads {
            self.threads_due = at.plus(THREADS_EVERY);
        }
        if pss {
            self.pss_due = at.plus(if first { PSS_AFTER } else { PSS_EVERY });
        }
        Depth { threads, pss }
    }

    fn walk(&mut self, footprint: &Footprint, depth: Depth) {
        self.children.refresh(&mut self.files);
        let roots: HashSet<u32> = footprint.members.iter().map(|member| member.pid).collect();
        let mut queue: Vec<Place> = Vec::new();
        let mut found = Vec::new();
        for member in &footprint.members {
            let Member { role, pid, threads, shared } = *member;
            queue.push(Place { pid, role, shared, threads });
        }
        // Those whose parent is gone are reached only because they are known.
        for (&pid, process) in &self.tracked {
            if let Some(role) = process.role.filter(|_| !roots.contains(&pid)) {
                queue.push(Place { pid, role, shared: process.shared, threads: &[] });
            }
        }
        // Members first, so that each process is reached from its own tree's root where it still can be.
        queue.reverse();
        while let Some(place) = queue.pop() {
            let Some(stat) = self.visit(place, depth, roots.contains(&place.pid)) else {
                continue;
            };
            found.clear();
            self.children.of(&mut self.files, place.pid, stat.threads, &mut found);
            for &pid in found.iter().filter(|pid| !roots.contains(pid)) {
                if self.tracked.get(&pid).is_none_or(|process| process.seen < self.readings) {
                    queue.push(Place { pid, threads: &[], ..place });
                }
            }
        }
    }

    /// Reads one process, unless it is gone, another one by now, or done.
    fn visit(&mut self, place: Place, depth: Depth, root: bool) -> Option<Stat> {
        let run_time = self.tracked.get(&place.pid).and_then(|process| process.run_time(&mut self.files));
        if !depth.pss
            && let Some(process) = self.tracked.get_mut(&place.pid)
            && process.has_slept(run_time)
        {
            process.seen = self.readings;
            process.slept();
            // Another may have become its parent.
            if depth.threads
                && let Some(stat) = self.files.of_process(place.pid, "stat").ok().and_then(Stat::parse)
            {
                process.known.parent = stat.parent;
            }
            return None;
        }
        let stat = self.files.of_process(place.pid, "stat").ok().and_then(Stat::parse)?;
        let known = self.tracked.get(&place.pid);
        let other = |start: u64| start != stat.start;
        if known.is_some_and(|process| process.seen == self.readings || other(process.known.start)) {
            return None;
        }
        if root && other(*self.starts.entry(place.pid).or_insert(stat.start)) {
            return None;
        }
        let older = known.is_none() && self.readings > 1 && stat.start < self.began;
        // Before the work has begun, memory tells nothing but where only changes count.
        let depth = Depth { pss: depth.pss && (self.readings > 1 || place.shared), ..depth };
        let process = self.tracked.entry(place.pid).or_default();
        process.seen = self.readings;
        process.known.parent = stat.parent;
        process.update(place, stat, depth, older, &mut self.files, &mut self.ledger);
        let was_kept = process.is_kept();
        if was_kept || self.kept < MOST_KEPT {
            process.keep(place.pid, &stat, run_time, &mut self.files);
            self.kept = self.kept + usize::from(process.is_kept()) - usize::from(was_kept);
        }
        Some(stat)
    }

    fn settle(&mut self) {
        let readings = self.readings;
        let gone = self.tracked.extract_if(|_, process| process.seen < readings);
        let mut closed = 0;
        let vanished: Vec<(u32, Known)> = gone
            .map(|(pid, process)| {
                closed += usize::from(process.is_kept());
                (pid, process.known)
            })
            .collect();
        self.kept -= closed;
        let alive = |pid| {
            let process = self.tracked.get(&pid)?;
            Some((process.role?, process.known.reaped_now))
        };
        account::settle(&vanished, alive, &mut self.ledger.totals);
    }

    /// Resident pages and proportional bytes of a role; the latter only if it is known for every process.
    fn memory(&self, role: Role, shared_only: bool) -> (u64, Option<u64>) {
        let of_role = || {
            let wanted =
                move |process: &&Process| process.role == Some(role) && (process.shared || !shared_only);
            self.tracked.values().filter(wanted)
        };
        (of_role().map(|process| process.rss_pages).sum(), of_role().map(|process| process.pss).sum())
    }

    fn tell(&self, at: Timestamp, depth: Depth, out: &mut Vec<Reading>) {
        for (&role, total) in &self.ledger.totals {
            let readable = |source| !self.ledger.unreadable.contains(&(role, source));
            let (pages, pss) = self.memory(role, false);
            let (pages_before, pss_before) = self.baseline.get(&role).copied().unwrap_or_default();
            let memory = [
                Some((pages as f64 - pages_before as f64) * page_size() as f64),
                pss.filter(|_| depth.pss && readable(Source::Smaps))
                    .map(|pss| pss as f64 - pss_before as f64),
            ];
            let values = counters(total, readable, depth.threads).into_iter().chain(memory);
            let told = METERS.iter().zip(values).filter_map(|(meter, value)| {
                Some(Reading { at, metric: meter.def.name.clone(), role: Some(role), value: value? })
            });
            out.extend(told);
        }
        self.tell_threads(at, out);
    }

    fn tell_threads(&self, at: Timestamp, out: &mut Vec<Reading>) {
        let hz = clock_ticks_per_second() as f64;
        let mut sums: BTreeMap<(&str, Role), u64> = BTreeMap::new();
        for thread in self.tracked.values().flat_map(Process::named) {
            let ticks = thread.counts[Counter::User] + thread.counts[Counter::System];
            *sums.entry((&thread.name, thread.role)).or_default() += ticks;
        }
        out.extend(sums.into_iter().map(|((name, role), ticks)| Reading {
            at,
            metric: part(THREAD_CPU, name),
            role: Some(role),
            value: ticks as f64 / hz,
        }));
    }
}

impl Sampler for ProcessSampler {
    fn read(
        &mut self,
        footprint: &Footprint,
        at: Timestamp,
        out: &mut Vec<Reading>,
    ) -> Result<(), SamplerError> {
        let first = self.readings == 0;
        if first {
            self.began = self.files.of_host("uptime").ok().and_then(uptime_ticks).unwrap_or(0);
        }
        self.readings += 1;
        let mut depth = self.due(first, at);
        self.walk(footprint, depth);
        self.settle();
        if first {
            for &role in self.ledger.totals.keys() {
                let (pages, pss) = self.memory(role, true);
                self.baseline.insert(role, (pages, pss.unwrap_or(0)));
            }
            depth.pss = false;
        }
        if self.ledger.totals.is_empty() && !footprint.members.is_empty() {
            let pids: Vec<_> = footprint.members.iter().map(|member| member.pid.to_string()).collect();
            let subject = format!("processes {} of the instance", pids.join(", "));
            return Err(SamplerError { subject, source: "none of them is running".into() });
        }
        self.tell(at, depth, out);
        Ok(())
    }
}

/// Counters in the order and units of [`METERS`].
fn counters(total: &Counts, readable: impl Fn(Source) -> bool, threads: bool) -> [Option<f64>; 11] {
    let hz = clock_ticks_per_second() as f64;
    let plain = |counter: Counter| total[counter] as f64;
    let seconds = |counter| Some(plain(counter) / hz);
    let io = |counter| readable(Source::Io).then(|| plain(counter));
    let switches = |counter| (threads && readable(Source::Status)).then(|| plain(counter));
    [
        seconds(Counter::User),
        seconds(Counter::System),
        seconds(Counter::Guest),
        Some(plain(Counter::Minor)),
        Some(plain(Counter::Major)),
        io(Counter::Read),
        io(Counter::Write),
        io(Counter::Cancelled),
        switches(Counter::Voluntary),
        switches(Counter::Involuntary),
        (threads && readable(Source::Schedstat)).then(|| plain(Counter::RunDelay) / 1e9),
    ]
}

/// First number of `/proc/uptime`, which has two decimals, in ticks.
fn uptime_ticks(text: &[u8]) -> Option<u64> {
    let hz = clock_ticks_per_second();
    let text = std::str::from_utf8(text).ok()?;
    let (whole, hundredths) = text.split_ascii_whitespace().next()?.split_once('.')?;
    Some(whole.parse::<u64>().ok()? * hz + hundredths.parse::<u64>().ok()? * hz / 100)
}
