//! Isotare's side: a driver, used as the runner uses it.

use crate::Result;
use isotare_core::{
    Budget, Environment, Image, Instance, InstanceContext, Interrupt, NoLedger, PrepareContext, Settings,
};
use isotare_host::{AgentClient, deadline_in, make_run_folder, now};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const PHASES: [&str; 5] = ["create", "start", "ready", "stop", "delete"];
pub const MEMORY: u64 = 1 << 30;

/// An environment, ready for trials.
pub struct Ours {
    environment: Option<Box<dyn Environment>>,
    session: String,
    folder: PathBuf,
}

pub fn cpus() -> String {
    let all = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    if all.trim().is_empty() { "0".to_owned() } else { all.trim().to_owned() }
}

impl Ours {
    pub fn prepare(driver: &str, agent: &Path, folder: &Path) -> Result<Self> {
        let driver = isotare_drivers::find(driver)?;
        let settings = Settings::check(driver.name(), driver.settings(), [])?;
        let (session, work) = (format!("life-{}", std::process::id()), folder.join("environment"));
        fs::create_dir(&work)?;
        let deadline = deadline_in(Duration::from_secs(30), &Interrupt::default());
        let budget = Budget { cpus: cpus().parse()?, memory: MEMORY, processes: None };
        let cx = PrepareContext {
            session: &session,
            work: &work,
            agent,
            budget: &budget,
            is_attached: false,
            ledger: &NoLedger,
            deadline,
        };
        let environment = Some(driver.prepare(&settings, &Image::default(), &cx)?);
        Ok(Self { environment, session, folder: folder.to_owned() })
    }

    /// Runs one instance from start to end. Returns the length of each phase.
    pub fn live(&mut self, round: usize) -> Result<[Duration; 5]> {
        let mut at = vec![now()];
        self.begin(round, |instance, cx| {
            at.push(now());
            instance.start(cx)?;
            at.push(now());
            let mut agent = AgentClient::greet(instance.wait_ready(cx)?, &cx.deadline)?;
            at.push(now());
            agent.power_off(&cx.deadline)?;
            instance.stop(Duration::from_secs(5), cx)?;
            at.push(now());
            instance.delete(cx)?;
            at.push(now());
            Ok(())
        })?;
        Ok(std::array::from_fn(|phase| at[phase + 1].since(at[phase])))
    }

    /// The specification that a driver of an OCI runtime writes for a container.
    pub fn specification(&mut self, round: usize) -> Result<Value> {
        let bundle = self.folder.join(format!("environment/state/{}-{round}", self.session));
        let mut text = Vec::new();
        self.begin(round, |instance, cx| {
            text = fs::read(bundle.join("config.json"))?;
            Ok(instance.delete(cx)?)
        })?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Creates an instance in folders that are removed afterwards. Time is measured from before the call of
    /// `create`.
    fn begin(
        &mut self,
        round: usize,
        then: impl FnOnce(&mut dyn Instance, &InstanceContext<'_>) -> Result<()>,
    ) -> Result<()> {
        let instance = format!("{}-{round}", self.session);
        let [work, run] = ["work", "run"].map(|name| self.folder.join(format!("{name}{round}")));
        fs::create_dir(&work)?;
        make_run_folder(&run)?;
        let budget = Budget { cpus: cpus().parse()?, memory: MEMORY, processes: None };
        let cx = InstanceContext {
            session: &self.session,
            instance: &instance,
            cgroup: &format!("isotare/{}/{instance}", self.session),
            work: &work,
            run: &run,
            budget: &budget,
            network: None,
            ledger: &NoLedger,
            deadline: deadline_in(Duration::from_secs(30), &Interrupt::default()),
            mark: &|_| {},
        };
        let environment = self.environment.as_mut().ok_or("it has ended")?;
        let mut instance = environment.create(&cx)?;
        then(&mut *instance, &cx)?;
        fs::remove_dir_all(&work)?;
        fs::remove_dir_all(&run)?;
        Ok(())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.environment = None;
        if let Ok(hierarchies) = isotare_cgroup::Hierarchies::discover() {
            // If it fails, an empty group is left.
            let _left = hierarchies.remove_tree(&format!("isotare/{}", self.session));
        }
    }
}
