//! The comparison for `lxc`: `lxc-execute` with the configuration that the driver writes.
//!
//! `lxc-execute` starts its own init between itself and the agent; `lxc-start` does not. On both sides,
//! liblxc makes the root and the cgroups.

use crate::Result;
use crate::ours::{MEMORY, cpus};
use isotare_cgroup::{Hierarchies, Version};
use isotare_core::{AGENT_PATH, Budget, CONTROL_DIR, DATA_DIR, Image, Interrupt, Source};
use isotare_host::{AgentClient, Spawn, accept, deadline_in, lay_out, now};
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `lxc-execute` with its configuration.
pub struct Lxc {
    program: PathBuf,
    config: PathBuf,
    control: PathBuf,
    log: PathBuf,
    hierarchies: Hierarchies,
    group: String,
}

impl Lxc {
    /// `folder` must be new.
    pub fn prepare(program: PathBuf, agent: &Path, folder: &Path) -> Result<Self> {
        let [lower, upper, control] = ["lower", "upper", "control"].map(|name| folder.join(name));
        for path in [&lower, &upper, &control] {
            fs::create_dir_all(path)?;
        }
        let mut image = Image::default();
        for path in ["/proc", "/sys", "/dev", "/tmp", CONTROL_DIR, DATA_DIR] {
            image.add(Path::new(path), Source::Folder, 0o755);
        }
        image.add(Path::new(AGENT_PATH), Source::Host(agent.to_owned()), 0o755);
        lay_out(&image, &lower)?;
        let hierarchies = Hierarchies::discover()?;
        let group = format!("isotare/life-{}-lxc", std::process::id());
        let budget = Budget { cpus: cpus().parse()?, memory: MEMORY, processes: None };
        let limits = hierarchies.create(&group, None)?.limits(&budget);
        let limits: Vec<String> = limits
            .iter()
            .map(|(version, file, value)| {
                let kind = if *version == Version::V2 { "cgroup2" } else { "cgroup" };
                format!("lxc.{kind}.{file} = {value}\n")
            })
            .collect();
        let below = hierarchies.runtime_path(&group);
        let config = folder.join("lxc.conf");
        let text = format!(
            "lxc.include = /usr/share/lxc/config/common.conf\nlxc.hook.mount =\nlxc.hook.post-stop =\n\
             lxc.rootfs.path = overlay:{}:{}\nlxc.uts.name = isotare\n\
             lxc.mount.entry = {} {} none bind 0 0\nlxc.console.path = none\nlxc.tty.dir =\nlxc.tty.max = 0\n\
             lxc.cgroup.dir.container = {below}/life\nlxc.cgroup.dir.monitor = {below}/life.monitor\n\
             lxc.cgroup.dir.monitor.pivot = {below}\n{}lxc.net.0.type = empty\n",
            lower.display(),
            upper.display(),
            control.display(),
            CONTROL_DIR.trim_start_matches('/'),
            limits.concat(),
            below = below.trim_start_matches('/'),
        );
        fs::write(&config, text)?;
        Ok(Self { program, config, control, log: folder.join("lxc.log"), hierarchies, group })
    }

    /// Runs one instance from start to end.
    pub fn live(&mut self, round: usize) -> Result<Duration> {
        let deadline = deadline_in(Duration::from_secs(30), &Interrupt::default());
        let socket = self.control.join("agent.sock");
        let begin = now();
        let listener = UnixListener::bind(&socket)?;
        let spawn = Spawn::new(&self.program)
            .args(["--name", &format!("isotare-life-{}-{round}", std::process::id()), "--rcfile"])
            .arg(&self.config)
            .args(["--", AGENT_PATH, "--socket", &format!("{CONTROL_DIR}/agent.sock"), "--data", DATA_DIR])
            .output_to(&self.log);
        let mut child = spawn.start()?;
        let said = || fs::read_to_string(&self.log).unwrap_or_default();
        let stream = accept(&listener, Some(child.pidfd()), &deadline)
            .map_err(|error| format!("{error}: {}", said()))?;
        AgentClient::greet(stream, &deadline)?.power_off(&deadline)?;
        let status = child.wait(&deadline)?;
        let took = now().since(begin);
        fs::remove_file(&socket)?;
        match status.success() {
            true => Ok(took),
            false => Err(format!("lxc-execute: {status}: {}", said()).into()),
        }
    }
}

impl Drop for Lxc {
    fn drop(&mut self) {
        // If it fails, an empty group is left.
        let _left = self.hierarchies.remove_tree(&self.group);
    }
}
