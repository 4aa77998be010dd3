//! Checks what is left if isotare itself is killed, and that it can be removed.
//!
//! The test program starts itself again. This copy takes one instance to a stage, and is killed with SIGKILL.
//! Then the test does the same as `isotare clean`.

use super::Subject;
use super::exec::shell;
use crate::bed::{Bed, session_of, traces};
use isotare_core::{Driver, Interrupt, Resource, with_sources};
use isotare_host::{StaleSession, Swept, deadline_in, sweep};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The stages at which a rehearsal stops, in order.
pub const STAGES: [&str; 5] = ["prepared", "created", "started", "ready", "working"];

const VARIABLE: &str = "ISOTARE_REHEARSAL";
const HERE: &str = "here";
const CLEANING: Duration = Duration::from_secs(60);

/// How this program is run again.
#[derive(Debug)]
pub struct Rehearsal {
    program: PathBuf,
    subject: String,
}

/// The task of such a copy.
#[derive(Debug)]
pub struct Asked {
    /// The subject that was given to [`Rehearsal::new`].
    pub subject: String,
    stage: String,
    root: PathBuf,
}

impl Rehearsal {
    /// Runs this program again. Its `main` must know the subject of this name.
    pub fn new(subject: &str) -> std::io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, subject: subject.to_owned() })
    }

    /// The task of this process, if it is such a copy. Call this first in `main`.
    pub fn asked() -> Option<Asked> {
        let text = std::env::var(VARIABLE).ok()?;
        let mut parts = text.splitn(3, '\n').map(str::to_owned);
        Some(Asked { stage: parts.next()?, root: parts.next()?.into(), subject: parts.next()? })
    }

    /// Checks each stage.
    pub(super) fn check(&self, subject: &Subject<'_>) -> Result<(), String> {
        let broken: Vec<String> = STAGES
            .into_iter()
            .filter_map(|stage| Some(format!("{stage}: {}", self.stage(stage, subject).err()?)))
            .collect();
        if broken.is_empty() { Ok(()) } else { Err(broken.join("; ")) }
    }

    fn stage(&self, stage: &str, subject: &Subject<'_>) -> Result<(), String> {
        let root = Bed::folder()?;
        let mut child = Command::new(&self.program)
            .env(VARIABLE, format!("{stage}\n{}\n{}", root.path().display(), self.subject))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("run {} again: {error}", self.program.display()))?;
        let told = child.stdout.take().and_then(|out| BufReader::new(out).lines().next());
        let killed = child.kill();
        let ended = child.wait();
        match told {
            Some(Ok(line)) if line == HERE => {}
            Some(Ok(line)) => return Err(line),
            other => return Err(format!("the rehearsal said {other:?}, {ended:?}")),
        }
        killed.map_err(|error| error.to_string())?;
        let cleaned = clean(root.path(), subject.driver);
        let left = lasting_traces(&session_of(root.path()));
        // Leftovers that were found must not stay on this machine.
        isotare_host::unmount_below(root.path());
        cleaned?;
        if left.is_empty() { Ok(()) } else { Err(format!("left after cleaning: {}", left.join("; "))) }
    }
}

/// Leftovers that do not disappear. An agent without a host takes a moment to end.
fn lasting_traces(session: &str) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let left = traces(session);
        if left.is_empty() || Instant::now() > end {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Removes what the killed copy recorded, twice. The second time there must be nothing left.
fn clean(root: &Path, driver: &dyn Driver) -> Result<(), String> {
    let stale = StaleSession::list(&root.join("s")).map_err(|error| with_sources(&error))?;
    let [Ok(session)] = stale.as_slice() else {
        return Err(format!("not one session was recorded: {stale:?}"));
    };
    let group = Resource::Cgroup { path: format!("isotare/{}", session.id) };
    let resources: Vec<&Resource> = session.resources.iter().rev().chain([&group]).collect();
    for (last, resource) in resources.iter().map(|r| (false, r)).chain(resources.iter().map(|r| (true, r))) {
        let deadline = deadline_in(CLEANING, &Interrupt::default());
        let found = match sweep(resource, &deadline) {
            Swept::NeedsDriver => driver
                .release(resource, &deadline)
                .map_err(|error| format!("{resource:?}: {}", with_sources(&error)))?,
            Swept::Failed(why) => return Err(format!("{resource:?}: {why}")),
            Swept::Removed => true,
            Swept::Absent => false,
        };
        if found && last {
            return Err(format!("{resource:?} was still there after it had been removed"));
        }
    }
    // Without cgroups, nothing has to be removed.
    let _no_cgroups = isotare_cgroup::Hierarchies::discover().and_then(|all| all.remove_if_empty("isotare"));
    Ok(())
}

impl Asked {
    /// Goes to the stage, reports it on stdout, and waits to be killed.
    pub fn perform(&self, subject: &Subject<'_>) -> std::process::ExitCode {
        let why = match self.go(subject) {
            Ok(()) => "it was not killed".to_owned(),
            Err(why) => why,
        };
        // The reader may have ended.
        let _unheard = writeln!(std::io::stdout(), "{}", why.replace('\n', " "));
        std::process::ExitCode::FAILURE
    }

    fn go(&self, subject: &Subject<'_>) -> Result<(), String> {
        let here = || {
            let mut out = std::io::stdout();
            writeln!(out, "{HERE}").and_then(|()| out.flush()).map_err(|error| error.to_string())?;
            std::thread::sleep(CLEANING);
            Ok(())
        };
        let settings = subject.settings().map_err(|why| why.to_string())?;
        let mut bed = Bed::below(&self.root, subject.agent)?;
        bed.prepare(subject.driver, &settings, subject.image)?;
        match self.stage.as_str() {
            "prepared" => here(),
            "created" => bed.create().and_then(|_kept| here()),
            "started" => bed.started().and_then(|_kept| here()),
            "ready" => bed.begin().and_then(|_kept| here()),
            _ => {
                let mut life = bed.begin()?;
                life.run_heard(shell("sleep 600"), &mut || here()).map(drop)
            }
        }
    }
}
