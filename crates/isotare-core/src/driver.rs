//! The interface to a runtime.
//!
//! A [`Driver`] is a static adapter. [`Driver::prepare`] does everything that is not measured, such as
//! unpacking a root or importing an image. It returns an [`Environment`], which creates a new [`Instance`]
//! for each trial. The runner reads its clock before and after each call, so drivers do not measure time
//! themselves.

use crate::{Budget, Deadline, Image, Ledger, Resource, SettingDef, Settings, Timestamp, with_sources};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Adapter to one runtime. It is cheap to create and does not hold an instance.
pub trait Driver: Send + Sync {
    /// Name in environment specs.
    fn name(&self) -> &'static str;
    /// One line for `doctor` and help pages.
    fn summary(&self) -> &'static str;
    /// The settings it understands.
    fn settings(&self) -> &'static [SettingDef];
    /// The variants that `doctor` lists, each given by its settings as in a spec after the colon. The best
    /// variant comes first. If the user does not choose environments, a comparison uses the first variant
    /// that works.
    fn variants(&self) -> &'static [&'static str] {
        &[""]
    }
    /// The capabilities of its instances.
    fn capabilities(&self) -> Capabilities;
    /// What must not be probed while one of its probes runs.
    fn exclusion(&self) -> Exclusion {
        if self.capabilities().own_kernel { Exclusion::Boots } else { Exclusion::Driver }
    }
    /// What separates its instances from the host.
    fn isolation(&self) -> Isolation;
    /// Whether it works here with these settings: a version, or a reason and a remedy. `work` is an empty
    /// folder for trial instances; a probe that has to boot something does so within `deadline`.
    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable>;
    /// Unmeasured preparation for one condition's settings.
    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError>;
    /// Removes a [`Resource::Managed`] of this driver that an earlier session left; true if it was there.
    fn release(&self, _resource: &Resource, _deadline: &Deadline) -> Result<bool, DriverError> {
        Ok(false)
    }
}

/// A driver's settings made ready for trials. Dropping it undoes `prepare`.
pub trait Environment: Send + Sync {
    /// Creates an instance. After this, nothing inside the instance runs yet.
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError>;
    /// Facts for the fairness ledger that only the driver knows, as names and values.
    fn facts(&self) -> BTreeMap<String, String>;
    /// Why its instances cannot be attached to a segment, although others of its driver can; `None`: they
    /// are attached as [`Capabilities::segment`] says.
    fn unattached(&self) -> Option<&'static str> {
        None
    }
}

/// One container, virtual machine or plain process tree. The runner always reaches [`Instance::delete`].
pub trait Instance: Send {
    /// Starts it; returns when the runtime says that it has started.
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError>;
    /// Waits for the agent's connection, on which its `Hello` is the next thing to read. Returns early with
    /// an error when the instance dies.
    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError>;
    /// Its processes and cgroups on the host by role, now.
    fn footprint(&self) -> Footprint;
    /// Waits until it has ended by itself. The agent has been told to end before. After `grace` it is killed.
    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError>;
    /// Removes it and all that `create` made. Idempotent; works in every state; kills what still runs.
    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError>;
    /// What it wrote outside the agent's connection, such as its console and the runtime's stderr. Used in
    /// failure reports.
    fn diagnostics(&self) -> String;
    /// Stops all its processes, or its virtual CPUs, where they are. Declared by [`Capabilities::pause`], like
    /// `resume`.
    fn pause(&mut self, _cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        Err(DriverError::Unsupported("this environment cannot pause an instance".to_owned()))
    }
    /// Lets them go on after [`Instance::pause`].
    fn resume(&mut self, _cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        Err(DriverError::Unsupported("this environment cannot resume an instance".to_owned()))
    }
    /// Writes its complete state to the trial's work folder and ends it. The agent's connection ends, too.
    /// Declared by [`Capabilities::snapshot`], like `restore`.
    fn snapshot(&mut self, _cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        Err(DriverError::Unsupported("this environment cannot write a snapshot of an instance".to_owned()))
    }
    /// Starts it from that state, after [`Instance::snapshot`]. Returns the new connection of its agent, which
    /// says hello again.
    fn restore(&mut self, _cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        Err(DriverError::Unsupported("this environment cannot restore an instance".to_owned()))
    }
    /// Starts its kernel again, without making a new instance. Returns the new connection of its agent, which
    /// says hello again. Declared by [`Capabilities::reboot`].
    fn reboot(&mut self, _cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        Err(DriverError::Unsupported("this environment cannot restart an instance".to_owned()))
    }
}

/// One end of a segment, a private network link that isotare makes for the instances of one trial. A driver
/// gives it to its instance in the one way that its runtime has. Dropping the segment removes every end.
/// [`Capabilities::segment`] says which way a driver's instances take.
pub trait Attachment: Send + Sync {
    /// The instance's address on the segment.
    fn address(&self) -> Ipv4Addr;
    /// Bits of the segment's net.
    fn prefix(&self) -> u8;
    /// The host's address on the segment.
    fn host(&self) -> Ipv4Addr;
    /// A new network namespace with this end (`seg0`, up, with its address) and a loopback link that is up,
    /// for runtimes that put a container into an existing namespace. A path to open it by.
    fn namespace(&self, deadline: &Deadline) -> Result<PathBuf, DriverError>;
    /// Moves this end (`seg0`, up, with its address) into the network namespace of a process, for runtimes
    /// that only make namespaces of their own.
    fn join(&self, pid: u32, deadline: &Deadline) -> Result<(), DriverError>;
    /// A tap for a virtual machine monitor: the name of the interface, and a path to open the network
    /// namespace by in which the monitor has to run.
    fn tap(&self, deadline: &Deadline) -> Result<(String, PathBuf), DriverError>;
    /// Gives the host this end's address, for instances that use the host's network.
    fn on_host(&self, deadline: &Deadline) -> Result<(), DriverError>;
}

/// What [`Driver::probe`] and [`Driver::prepare`] work with.
pub struct PrepareContext<'a> {
    /// Session, safe for file, container and cgroup names.
    pub session: &'a str,
    /// Folder of this environment alone on the file system where every environment keeps its data; exists.
    pub work: &'a Path,
    /// The agent's program, a static binary, on the host.
    pub agent: &'a Path,
    /// CPUs, memory and processes of an instance.
    pub budget: &'a Budget,
    /// Whether instances will be attached to segments.
    pub is_attached: bool,
    /// Where to record resources that outlive a call.
    pub ledger: &'a dyn Ledger,
    /// The deadline.
    pub deadline: Deadline,
}

/// Name of the control folder in an instance's run folder.
pub const CONTROL_FOLDER: &str = "control";

/// What one instance needs.
pub struct InstanceContext<'a> {
    /// Session, safe for file, container and cgroup names.
    pub session: &'a str,
    /// Instance, unique on this host and safe for file, container, cgroup and (first 15 bytes) link names.
    pub instance: &'a str,
    /// Path of the instance's cgroup below each hierarchy's root.
    pub cgroup: &'a str,
    /// Empty folder of this instance alone on the file system where every environment keeps its data; the
    /// runner made it and removes it. The instance may see folders below it, never the folder itself: logs
    /// lie there.
    pub work: &'a Path,
    /// Folder with a short path, for sockets. The runner removes it; its mode is 0700. It contains the
    /// control folder and nothing else. No instance sees it.
    pub run: &'a Path,
    /// CPUs, memory and processes.
    pub budget: &'a Budget,
    /// Its end of the trial's segment; `None`: it gets none.
    pub network: Option<&'a dyn Attachment>,
    /// Where to record resources that outlive a call.
    pub ledger: &'a dyn Ledger,
    /// When the present phase must end.
    pub deadline: Deadline,
    /// Reports the moment of a sub-step, such as `vmm.spawned`.
    pub mark: &'a dyn Fn(&'static str),
}

/// What a driver's instances can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The instance runs a kernel of its own.
    pub own_kernel: bool,
    /// The instance sees the host's own files.
    pub host_files: bool,
    /// It works without root.
    pub rootless: bool,
    /// It can be paused and resumed.
    pub pause: bool,
    /// Its state can be written to a file, and it can be restored from there.
    pub snapshot: bool,
    /// Its kernel can be started again.
    pub reboot: bool,
    /// How it is attached to a segment.
    pub segment: Attaching,
}

/// How an instance gets its end of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attaching {
    /// It cannot be attached.
    #[default]
    Unsupported,
    /// It uses the host's network, which gets the address.
    Host,
    /// It has a network namespace of its own, and is on the host's kernel. The runner moves the end there when
    /// the agent is ready.
    WhenReady,
    /// Its driver attaches it in `create`, from [`InstanceContext::network`].
    Created,
}

/// Which probes would take each other's time, or wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// None: each probe is a process tree of its own.
    Nothing,
    /// Those of the same driver: they share an engine.
    Driver,
    /// Those of all drivers that boot a machine, which needs CPUs to be ready in time.
    Boots,
}

/// What separates an instance from the host. The reference page shows these short phrases in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// Whose kernel serves it, such as `the host's`.
    pub kernel: &'static str,
    /// Which system calls reach the host's kernel.
    pub system_calls: &'static str,
    /// Who its root is, seen from the host.
    pub root: &'static str,
    /// Where that is documented: addresses or man pages.
    pub sources: &'static [&'static str],
}

/// A runtime that works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeInfo {
    /// Its version, as it says itself.
    pub version: String,
    /// Other facts that affect its speed, such as the storage driver or the kernel of the guest, as names and
    /// values.
    pub details: BTreeMap<String, String>,
}

/// An environment that does not work here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}; {remedy}")]
pub struct Unavailable {
    /// What is missing or broken.
    pub reason: String,
    /// What the user can do.
    pub remedy: String,
}

/// What kind of work a process or cgroup does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The workload and the agent, if they are processes of the host.
    Workload,
    /// Threads that execute a guest's virtual CPUs: the workload, the guest's kernel and, under emulation,
    /// its translation.
    Vcpu,
    /// A virtual machine monitor, without its threads that have another role.
    Vmm,
    /// Threads that move data between a guest and files, sockets or taps.
    Io,
    /// Threads of the host's kernel that move such data.
    Vhost,
    /// A shim that runs next to each instance.
    Shim,
    /// A daemon that serves every instance.
    Daemon,
    /// All other threads of the host's kernel: write-back, reclaim, interrupts. They serve everyone.
    Kernel,
}

impl Role {
    /// All roles, in the order of tables.
    pub const ALL: [Role; 8] = [
        Role::Workload,
        Role::Vcpu,
        Role::Vmm,
        Role::Io,
        Role::Vhost,
        Role::Shim,
        Role::Daemon,
        Role::Kernel,
    ];

    /// The word that every output uses for it.
    pub fn word(self) -> &'static str {
        match self {
            Role::Workload => "workload",
            Role::Vcpu => "vcpu",
            Role::Vmm => "vmm",
            Role::Io => "io",
            Role::Vhost => "vhost",
            Role::Shim => "shim",
            Role::Daemon => "daemon",
            Role::Kernel => "kernel",
        }
    }
}

/// What an instance consists of on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Process trees: each listed process with all its descendants that are not listed themselves.
    pub members: Vec<Member>,
    /// The instance's cgroup below each hierarchy's root, if it has one.
    pub cgroup: Option<String>,
}

/// One process tree of a footprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whose work it does.
    pub role: Role,
    /// Its root process.
    pub pid: u32,
    /// Threads of `pid` that have a role of their own: those whose names begin like this.
    pub threads: &'static [(&'static str, Role)],
    /// Whether the process also serves others, so that only differences over the trial count.
    pub shared: bool,
}

impl Member {
    /// A process whose threads all have its role, and that serves this instance alone.
    pub fn new(role: Role, pid: u32) -> Self {
        Member { role, pid, threads: &[], shared: false }
    }

    /// One that serves others too.
    pub fn shared(role: Role, pid: u32) -> Self {
        Member { shared: true, ..Member::new(role, pid) }
    }
}

/// What made an operation fail: an error, or a text where there is none.
pub type Cause = Box<dyn Error + Send + Sync>;

/// An operation of a driver that failed.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// It failed.
    #[error("{operation} {subject}")]
    Failed {
        /// What was being done, such as `start container`.
        operation: &'static str,
        /// What it was done to: a path, an id or a command line.
        subject: String,
        /// Why it did not work, with all that is known.
        source: Cause,
    },
    /// It passed the deadline.
    #[error("{operation} {subject}: not done by the deadline")]
    TimedOut {
        /// What was being done.
        operation: &'static str,
        /// To what.
        subject: String,
    },
    /// The user stopped it.
    #[error("interrupted")]
    Interrupted,
    /// This environment cannot do it.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The runtime is not available, or not any more.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl DriverError {
    /// An operation that failed.
    pub fn failed(operation: &'static str, subject: impl Into<String>, cause: impl Into<Cause>) -> Self {
        DriverError::Failed { operation, subject: subject.into(), source: cause.into() }
    }

    /// The same as a reason not to use the environment. `remedy` is for errors that have none.
    pub fn unavailable(self, remedy: impl Into<String>) -> Unavailable {
        match self {
            DriverError::Unavailable(unavailable) => unavailable,
            other => Unavailable::new(with_sources(&other), remedy),
        }
    }
}

impl Unavailable {
    /// A reason with its remedy.
    pub fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

impl InstanceContext<'_> {
    /// The folder that holds the agent's control socket and nothing else: what an instance on the host's
    /// kernel sees at [`CONTROL_DIR`](crate::CONTROL_DIR), read-only. It exists.
    pub fn control(&self) -> PathBuf {
        self.run.join(CONTROL_FOLDER)
    }

    /// Where the agent's control socket is on the host.
    pub fn control_socket(&self) -> PathBuf {
        self.control().join("agent.sock")
    }

    /// The same context with another deadline.
    #[must_use]
    pub fn until(&self, at: Timestamp) -> Self {
        Self { deadline: Deadline { at, interrupt: self.deadline.interrupt.clone() }, ..*self }
    }
}
