//! The jobs of an agent, and its reports.

use crate::Exit;
use serde::{Deserialize, Serialize};

/// A job: a built-in workload or a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Job {
    /// One of the workloads compiled into the agent.
    Builtin(Builtin),
    /// A program of the instance.
    Command(CommandJob),
}

/// A built-in workload with the settings that all of them share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Builtin {
    /// Which, with its own settings.
    pub kind: Kind,
    /// Worker threads, at least 1.
    pub threads: u32,
    /// When the measured part ends.
    pub limit: Limit,
    /// Length of the discarded warm-up, ms.
    pub warmup_ms: u64,
    /// Length of one interval of [`WorkReport::intervals`], ms.
    pub interval_ms: u64,
}

/// End of the measured part: whichever comes first. At least one is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// After this time, ms.
    pub duration_ms: Option<u64>,
    /// After this many events, all threads together.
    pub events: Option<u64>,
}

/// The built-in workloads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// sysbench's `cpu`: an event tests every number up to `max_prime` for primality by trial division.
    Cpu {
        /// Largest number tested, at least 3.
        max_prime: u64,
    },
    /// sysbench's `memory`: an event reads or writes one block.
    Memory(MemoryJob),
    /// sysbench's `threads`: an event does `yields` times lock, yield, unlock on one of `locks` mutexes.
    Threads {
        /// Yields in one event.
        yields: u32,
        /// Mutexes that the threads share.
        locks: u32,
    },
    /// sysbench's `mutex`: an event takes `locks` random mutexes of `mutexes`, with a short loop between.
    Mutex {
        /// Size of the array of mutexes.
        mutexes: u32,
        /// Locks taken in one event.
        locks: u32,
        /// Turns of the empty loop before each lock.
        loops: u32,
    },
    /// sysbench's `fileio`: an event is one read, write or fsync on prepared files.
    Fileio(FileioJob),
    /// An event sends a message over a TCP connection of the loopback link and waits until it has come back.
    Network {
        /// Bytes of the message.
        size: u64,
    },
    /// An event sends a message to an echo service and waits until it has come back.
    Echo(EchoJob),
}

/// Settings of [`Kind::Echo`]. Each thread has a connection of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EchoJob {
    /// Address of the service.
    pub address: std::net::SocketAddr,
    /// Bytes of the message.
    pub size: u64,
    /// Messages that all threads together intend to send per second, evenly spaced. The latency of a message
    /// begins when it was intended to be sent, not when it was sent (open loop). `None`: each thread sends
    /// the next message when the answer has come (closed loop).
    pub rate: Option<f64>,
}

/// Settings of [`Kind::Memory`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryJob {
    /// Bytes in a block (each thread has its own block).
    pub block: u64,
    /// Bytes to transfer in all; the job ends then, even before its [`Limit`]; 0: no such limit.
    pub total: u64,
    /// Read or write.
    pub operation: Operation,
    /// Order of the addresses in a block.
    pub access: Access,
}

/// Direction of a memory transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Load every word.
    Read,
    /// Store every word.
    Write,
}

/// Order of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Ascending.
    Sequential,
    /// Uniformly random.
    Random,
}

/// Settings of [`Kind::Fileio`]. The files are made before the warm-up and removed after the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileioJob {
    /// What an event does.
    pub mode: FileMode,
    /// Number of files.
    pub files: u32,
    /// Bytes in all files together.
    pub total: u64,
    /// Bytes of one read or write.
    pub block: u64,
    /// An fsync of every file after this many operations; 0: never.
    pub fsync_every: u32,
    /// An fsync of every file at the end of the measured part.
    pub fsync_end: bool,
    /// How files are opened.
    pub pattern: Pattern,
    /// Reads for each write in `rndrw`, as a ratio reads/writes (sysbench's default is 1.5).
    pub read_write_ratio: f64,
}

/// sysbench's file test modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileMode {
    /// Sequential reads.
    SeqRead,
    /// Sequential writes.
    SeqWrite,
    /// Random reads.
    RandomRead,
    /// Random writes.
    RandomWrite,
    /// Random reads and writes.
    RandomReadWrite,
}

/// How the files of `fileio` are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// Through the page cache.
    Buffered,
    /// `O_DIRECT`.
    Direct,
    /// `O_SYNC`.
    Sync,
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandJob {
    /// Program (a path, or a name looked up in the `PATH` of `env`) and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory; `None`: the instance's data folder.
    pub directory: Option<String>,
    /// Bytes on standard input.
    #[serde(with = "serde_bytes")]
    pub stdin: Vec<u8>,
    /// How often.
    pub repetition: Repetition,
}

/// How often a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Repetition {
    /// Once, all output streamed back.
    Once,
    /// A timed loop: `warmup` discarded runs with output streamed back (the first one only), then at least
    /// `min_runs` timed runs with output to `/dev/null`, more until `duration_ms` has passed.
    Loop {
        /// Number of warm-up runs, which are not counted.
        warmup: u32,
        /// Minimum number of timed runs.
        min_runs: u32,
        /// Stop once this has passed, ms.
        duration_ms: u64,
    },
}

/// Result of a job that ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JobResult {
    /// Of a built-in workload.
    Work(WorkReport),
    /// Of a command: how the last run ended and what each timed run took. The loop ends at the first run that
    /// does not exit with status 0.
    Command {
        /// How the last run ended.
        exit: Exit,
        /// Each timed run, in order (one for [`Repetition::Once`]).
        runs: Vec<Usage>,
    },
}

/// The resources of a finished process, from `wait4(2)`, and its wall time from before spawn to after wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time on the agent's `CLOCK_MONOTONIC`, ns.
    pub wall_ns: u64,
    /// User CPU time, ns.
    pub user_ns: u64,
    /// System CPU time, ns.
    pub system_ns: u64,
    /// Largest resident set, bytes.
    pub max_rss: u64,
    /// Minor page faults.
    pub minor_faults: u64,
    /// Major page faults.
    pub major_faults: u64,
    /// Voluntary context switches.
    pub voluntary_switches: u64,
    /// Involuntary context switches.
    pub involuntary_switches: u64,
}

/// The work of a built-in workload in its measured part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkReport {
    /// Events completed.
    pub events: u64,
    /// Length of the measured part on the agent's `CLOCK_MONOTONIC`, ns.
    pub elapsed_ns: u64,
    /// Events in each interval of `Builtin::interval_ms`, oldest first; the last one may be shorter.
    pub intervals: Vec<Interval>,
    /// Latency of each event, ns, as an HDR histogram in V2 encoding (3 significant digits).
    pub latency: Vec<u8>,
    /// Sum of the latencies, ns (exact, for checks against `events` and `elapsed_ns`).
    pub latency_sum_ns: u64,
    /// Bytes read by events.
    pub bytes_read: u64,
    /// Bytes written by events.
    pub bytes_written: u64,
    /// Read operations, write operations and fsyncs.
    pub operations: [u64; 3],
    /// Proof of work: the value that a workload computed in its last event, or over all events. The host
    /// knows the correct value (for `cpu`: the number of primes found in each event).
    pub proof: u64,
    /// Events whose own result was wrong.
    pub wrong: u64,
    /// CPU time and faults of the agent's process over the measured part (`getrusage`, wall as `elapsed_ns`).
    pub usage: Usage,
}

/// One interval of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// End of the interval since measuring began, ns.
    pub at_ns: u64,
    /// Events completed in it.
    pub events: u64,
}

/// The readings of the counters inside an instance while a job was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Readings in between, oldest first.
    pub readings: Vec<Observation>,
    /// What each counter grew by, or what a gauge came to, by the name and in the unit of the host's
    /// samplers: values about processes are those of the agent and all processes that it started; the others
    /// are those of the whole instance.
    pub counters: Vec<(String, f64)>,
}

/// One reading of the counters inside the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Agent's `CLOCK_MONOTONIC`, ns.
    pub at_ns: u64,
    /// User CPU time of the whole system as seen inside (`/proc/stat`, nice included), ns.
    pub user_ns: u64,
    /// System CPU time likewise (irq and softirq included), ns.
    pub system_ns: u64,
    /// Steal time likewise, ns.
    pub steal_ns: u64,
    /// `MemAvailable`, bytes; `None` where it cannot be read.
    pub memory_available: Option<u64>,
}
