//! The comparison for drivers of OCI runtimes: the runtime is called directly, with the specification that
//! its driver writes.

#![expect(unsafe_code, reason = "a process leaves a namespace")]

use crate::Result;
use isotare_core::{AGENT_PATH, CONTROL_DIR, DATA_DIR, Image, Interrupt, Source};
use isotare_host::{AgentClient, Spawn, accept, deadline_in, lay_out, now, readable};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::{Value, json};
use std::ffi::CString;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// How the runtime is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// `run`, with a root that was mounted before the measurement.
    Run,
    /// `create`, `start` and `delete`, with a root that is mounted for each instance. A driver does the same
    /// work.
    Steps,
}

/// A runtime with its bundle.
pub struct Tool {
    program: PathBuf,
    calls: Calls,
    folder: PathBuf,
    specification: Value,
}

/// Enters a new mount namespace, and unmounts a version 2 hierarchy there if version 1 is mounted, too.
pub fn hide_unified() -> Result<()> {
    // SAFETY: the flag unshares neither memory nor file descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    if Path::new(UNIFIED).join("cgroup.procs").exists() {
        unmount(UNIFIED, UnmountFlags::DETACH)?;
    }
    Ok(())
}

impl Tool {
    /// `folder` must be new.
    pub fn prepare(
        program: PathBuf,
        calls: Calls,
        specification: Value,
        agent: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let (lower, control) = (folder.join("lower"), folder.join("control"));
        for path in [&lower, &control] {
            fs::create_dir_all(path)?;
        }
        let mut image = Image::default();
        for path in ["/proc", "/sys", "/dev", "/tmp", CONTROL_DIR, DATA_DIR] {
            image.add(Path::new(path), Source::Folder, 0o755);
        }
        image.add(Path::new(AGENT_PATH), Source::Host(agent.to_owned()), 0o755);
        lay_out(&image, &lower)?;
        let tool = Self { program, calls, folder: folder.to_owned(), specification };
        if calls == Calls::Run {
            tool.mount()?;
        }
        Ok(tool)
    }

    /// Runs one instance from start to end.
    pub fn live(&mut self, round: usize) -> Result<Duration> {
        let id = format!("isotare-life-{}-{round}", std::process::id());
        let begin = now();
        let listener = UnixListener::bind(self.folder.join("control/agent.sock"))?;
        let lived = match self.calls {
            Calls::Run => self.run(&id, &listener),
            Calls::Steps => self.step(&id, &listener),
        };
        let took = now().since(begin);
        lived.map_err(|error| {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            format!("{}: {error}: {log}", self.program.display())
        })?;
        fs::remove_file(self.folder.join("control/agent.sock"))?;
        if self.calls == Calls::Steps {
            self.remove_layers()?;
        }
        Ok(took)
    }

    fn run(&self, id: &str, listener: &UnixListener) -> Result<()> {
        self.specify(id)?;
        let deadline = deadline_in(Duration::from_secs(30), &Interrupt::default());
        let mut child = self.call("run").arg(id).start()?;
        let stream = accept(listener, Some(child.pidfd()), &deadline)?;
        AgentClient::greet(stream, &deadline)?.power_off(&deadline)?;
        ended(child.wait(&deadline)?)
    }

    fn step(&self, id: &str, listener: &UnixListener) -> Result<()> {
        let deadline = deadline_in(Duration::from_secs(30), &Interrupt::default());
        self.mount()?;
        self.specify(id)?;
        let pid_file = self.folder.join("pid");
        let create = self.call("create").arg("--pid-file").arg(&pid_file).arg(id);
        ended(create.start()?.wait(&deadline)?)?;
        let pid = Pid::from_raw(fs::read_to_string(&pid_file)?.trim().parse()?).ok_or("no process number")?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        ended(Spawn::new(&self.program).args(["start", id]).start()?.wait(&deadline)?)?;
        let stream = accept(listener, Some(pidfd.as_fd()), &deadline)?;
        AgentClient::greet(stream, &deadline)?.power_off(&deadline)?;
        readable(pidfd.as_fd(), None, &deadline)?;
        ended(Spawn::new(&self.program).args(["delete", "--force", id]).start()?.wait(&deadline)?)?;
        unmount(self.folder.join("rootfs"), UnmountFlags::DETACH)?;
        Ok(())
    }

    fn call(&self, command: &str) -> Spawn {
        let spawn = Spawn::new(&self.program).args([command, "--bundle"]).arg(&self.folder);
        spawn.output_to(&self.folder.join("log"))
    }

    /// Mounts a fresh overlay.
    fn mount(&self) -> Result<()> {
        let [lower, upper, work, rootfs] =
            ["lower", "upper", "overlay", "rootfs"].map(|name| self.folder.join(name));
        for path in [&upper, &work, &rootfs] {
            fs::create_dir(path)?;
        }
        let options =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        let options = CString::new(options)?;
        Ok(mount("overlay", &rootfs, "overlay", MountFlags::empty(), options.as_c_str())?)
    }

    fn remove_layers(&self) -> Result<()> {
        for name in ["upper", "overlay", "rootfs"] {
            fs::remove_dir_all(self.folder.join(name))?;
        }
        Ok(())
    }

    /// Writes the specification of the driver, with the paths of this container.
    fn specify(&self, id: &str) -> Result<()> {
        let mut own = self.specification.clone();
        own["root"]["path"] = json!(self.folder.join("rootfs"));
        own["linux"]["cgroupsPath"] = json!(format!("/isotare/life-{}/{id}", std::process::id()));
        let mounts = own["mounts"].as_array_mut().ok_or("the specification has no mounts")?;
        let control = mounts.iter_mut().find(|mount| mount["destination"] == CONTROL_DIR);
        control.ok_or("the specification shows no control folder")?["source"] =
            json!(self.folder.join("control"));
        Ok(fs::write(self.folder.join("config.json"), serde_json::to_vec(&own)?)?)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // If it is busy, the mount is removed when the namespace of this process ends.
        let _busy = unmount(self.folder.join("rootfs"), UnmountFlags::DETACH);
    }
}

fn ended(status: std::process::ExitStatus) -> Result<()> {
    if status.success() { Ok(()) } else { Err(status.to_string().into()) }
}
