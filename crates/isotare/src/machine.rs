//! The resources of a session on this machine: its id, its record and its folders. All of them are removed in
//! the end.

use crate::cli::Places;
use crate::exit::{fault, refuse};
use isotare_cgroup::Hierarchies;
use isotare_core::{Budget, CpuSet, HostFacts, Interrupt, Ledger, Resource, Sha256, with_sources};
use isotare_host::{SessionState, Swept, deadline_in, state_root, utc_now};
use isotare_image::Cache;
use isotare_runner::{CleanReport, clean};
use miette::Report;
use rustix::mount::{MountFlags, mount_bind, mount_remount};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time that removing everything may take.
const CLEANUP: Duration = Duration::from_secs(120);

/// The resources of a session on this machine. Call [`Machine::leave`] to remove them; a panic does the same.
pub struct Machine {
    /// The session's id.
    pub session: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Its record.
    pub state: Option<SessionState>,
    /// Its folder on disk.
    pub work: PathBuf,
    /// How that folder is mounted, for the ledger.
    pub mounted: String,
    /// The agent's program.
    pub agent: PathBuf,
    /// Where unpacked images are kept for later sessions.
    pub cache: Cache,
}

impl Machine {
    /// Makes a session's place.
    pub fn enter(places: &Places) -> Result<Self, Report> {
        let [year, month, day, hour, minute, second] = utc_now();
        let session =
            format!("{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02}-{:04x}", rand::random::<u16>());
        let started = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        let root = state_root();
        let state = SessionState::create(&root, &session).map_err(|error| {
            fault(
                format!(
                    "the record of the session cannot be written in {}: {}",
                    root.display(),
                    with_sources(&error)
                ),
                "make that folder writable, or name another folder in ISOTARE_STATE",
            )
        })?;
        let work = places.work.join(format!("isotare-{session}"));
        let (agent, mounted) = (work.join("agent"), String::new());
        let cache = Cache::of_user().with_limits(places.image_limits);
        let mut machine = Self { session, started, state: Some(state), agent, work, mounted, cache };
        let made = machine.make_work().and_then(|()| crate::agent::unpack(&machine.work));
        match made {
            Ok(agent) => machine.agent = agent,
            Err(error) => {
                return Err(refuse(
                    format!(
                        "the folder of the session cannot be created in {}: {error}",
                        places.work.display()
                    ),
                    "use --work to name a writable folder with free space, in which no other user can \
                     replace your files: a folder of your own, or one such as /var/tmp",
                ));
            }
        }
        Ok(machine)
    }

    /// Creates the session's folder. No other user may enter it, because instances leave set-user-ID programs
    /// of root there. As root, the folder is also a mount on which such programs and device nodes have no
    /// effect. Overlays on it are separate mounts, so instances see no difference.
    fn make_work(&mut self) -> io::Result<()> {
        self.state().record(&Resource::Path { path: self.work.clone() })?;
        DirBuilder::new().mode(0o700).create(&self.work)?;
        // A user who may rename a folder above it could replace it by another folder with another agent.
        isotare_files::check_private(&self.work)?;
        if !rustix::process::geteuid().is_root() {
            self.mounted = "as its file system: a separate mount needs root".to_owned();
            return Ok(());
        }
        self.state().record(&Resource::Mount { path: self.work.clone() })?;
        let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
        let mounted = mount_bind(&self.work, &self.work).and_then(|()| mount_remount(&self.work, flags, c""));
        self.mounted = match mounted {
            Ok(()) => "nosuid,nodev".to_owned(),
            // In a container without CAP_SYS_ADMIN. The folder's mode still keeps others out.
            Err(error) => format!("as its file system: {error}"),
        };
        Ok(())
    }

    /// The session's record.
    pub fn state(&self) -> &SessionState {
        match &self.state {
            Some(state) => state,
            None => unreachable!("the record is taken only by leave, which consumes the machine"),
        }
    }

    /// What this machine is, and the disk that the session works on.
    pub fn facts(&self) -> HostFacts {
        let root = Path::new("/");
        let mut host = isotare_facts::host_facts(root);
        host.facts.extend(isotare_facts::storage_facts(&self.work));
        host.facts.insert("data-mount".to_owned(), self.mounted.clone());
        host.facts.extend(isotare_samplers::counter_facts());
        let agent = std::fs::read(&self.agent).map(|bytes| Sha256::of(&bytes));
        host.facts.insert("agent-sha256".to_owned(), agent.unwrap_or_else(|_| "unknown".to_owned()));
        host
    }

    /// Removes everything that still exists, and reports what could not be removed.
    pub fn leave(mut self) -> CleanReport {
        self.sweep()
    }

    fn sweep(&mut self) -> CleanReport {
        let Some(state) = self.state.take() else { return CleanReport::default() };
        let deadline = deadline_in(CLEANUP, &Interrupt::default());
        let driver = |name: &str| isotare_drivers::find(name).ok();
        let mut report = clean(state.recorded().unwrap_or_default(), &driver, &deadline);
        remove_session_cgroup(&self.session, &mut report);
        if report.failed.is_empty()
            && let Err(error) = state.close()
        {
            tracing::warn!("the session's record could not be removed: {}", with_sources(&error));
        }
        report
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for (resource, why) in self.sweep().failed {
            tracing::warn!("could not be removed: {resource}: {why}");
        }
    }
}

/// The group that held the instances' groups, and the one above it when this was the last session.
pub fn remove_session_cgroup(session: &str, report: &mut CleanReport) {
    let resource = Resource::Cgroup { path: format!("isotare/{session}") };
    if let Swept::Failed(why) = isotare_host::sweep(&resource, &deadline_in(CLEANUP, &Interrupt::default())) {
        report.failed.push((resource, why));
    }
    // Without cgroups there is nothing to remove.
    let _no_cgroups = Hierarchies::discover().and_then(|hierarchies| hierarchies.remove_if_empty("isotare"));
}

/// The budget asked for, or what this process itself may use.
pub fn budget(cpus: Option<CpuSet>, memory: u64, processes: Option<u32>) -> Result<Budget, Report> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed: CpuSet = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .and_then(|list| list.trim().parse().ok())
        .ok_or_else(|| fault("/proc/self/status does not say which CPUs may be used", "mount /proc"))?;
    let cpus = cpus.unwrap_or_else(|| allowed.clone());
    if !cpus.is_subset(&allowed) {
        return Err(refuse(
            format!("CPUs {cpus} are not all available: this process may use {allowed}"),
            format!("choose from {allowed}"),
        ));
    }
    Ok(Budget { cpus, memory, processes })
}
