//! The agent, copied to a private folder of the remote machine.

use super::driver::record;
use super::instance::SshInstance;
use super::target::Target;
use isotare_core::{
    Cause, DriverError, Environment, Instance, InstanceContext, Interrupt, PrepareContext, Settings,
};
use isotare_host::deadline_in;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longest time that removing the folder may take.
const REMOVAL: Duration = Duration::from_secs(20);

/// Makes the names of the folders of one session's environments different.
static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// Prepared for trials. Dropping it removes the folder.
pub(super) struct SshEnvironment {
    target: Target,
    log: PathBuf,
}

impl SshEnvironment {
    pub(super) fn prepare(settings: &Settings, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let target = Target::read(settings, &format!("{}-{number}", cx.session))?;
        let failed = |error: Cause| DriverError::failed("copy agent to", &target.folder, error);
        let resource = record(&target).map_err(|e| failed(e.into()))?;
        let agent = File::open(cx.agent).map_err(|e| failed(e.into()))?;
        cx.ledger.record(&resource).map_err(|e| failed(e.into()))?;
        // Fails if a folder of this name already exists.
        let place = &target.folder;
        let command = format!("umask 077; mkdir {place} && cat > {place}/agent && chmod 700 {place}/agent");
        let environment = Self { log: cx.work.join("ssh.log"), target };
        environment.target.ask(&command, Some(agent.into()), &environment.log, &cx.deadline)?;
        Ok(environment)
    }
}

impl Environment for SshEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        Ok(Box::new(SshInstance::create(&self.target, cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        [
            ("budget.enforced", "none: it has all resources of the machine"),
            ("image", "the machine's own files"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}

impl Drop for SshEnvironment {
    fn drop(&mut self) {
        // This also runs after an interrupt. What cannot be removed now stays recorded in the ledger.
        let deadline = deadline_in(REMOVAL, &Interrupt::default());
        let _recorded = self.target.remove(&self.log, &deadline);
    }
}
