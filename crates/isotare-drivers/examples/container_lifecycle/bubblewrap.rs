//! The comparison for `bubblewrap`: bwrap is called directly. Its root is mounted for each instance, and its
//! cgroup has the same limits as the driver's.

use crate::Result;
use crate::ours::{MEMORY, cpus};
use isotare_cgroup::Hierarchies;
use isotare_core::{AGENT_PATH, Budget, CONTROL_DIR, DATA_DIR, Image, Interrupt, Source};
use isotare_host::{AgentClient, Spawn, accept, deadline_in, lay_out, now};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `bwrap`, with a tree as the root of its instances.
pub struct Bubblewrap {
    program: PathBuf,
    folder: PathBuf,
    hierarchies: Hierarchies,
    budget: Budget,
}

impl Bubblewrap {
    /// `folder` must be new.
    pub fn prepare(program: PathBuf, agent: &Path, folder: &Path) -> Result<Self> {
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
        let budget = Budget { cpus: cpus().parse()?, memory: MEMORY, processes: None };
        Ok(Self { program, folder: folder.to_owned(), hierarchies: Hierarchies::discover()?, budget })
    }

    /// Runs one instance from start to end.
    pub fn live(&mut self, round: usize) -> Result<Duration> {
        let socket = self.folder.join("control/agent.sock");
        let [lower, upper, work, rootfs] =
            ["lower", "upper", "overlay", "rootfs"].map(|name| self.folder.join(name));
        let group = format!("isotare/life-{}/bwrap-{round}", std::process::id());
        let deadline = deadline_in(Duration::from_secs(30), &Interrupt::default());
        let begin = now();
        let listener = UnixListener::bind(&socket)?;
        for path in [&upper, &work, &rootfs] {
            fs::create_dir(path)?;
        }
        let options =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        mount("overlay", &rootfs, "overlay", MountFlags::empty(), CString::new(options)?.as_c_str())?;
        let cgroup = self.hierarchies.create(&group, Some(&self.budget))?;
        let spawn = Spawn::new(&self.program)
            .args(["--unshare-all", "--die-with-parent", "--bind"])
            .arg(&rootfs)
            .args(["/", "--proc", "/proc", "--dev", "/dev", "--bind"])
            .arg(self.folder.join("control"))
            .args([CONTROL_DIR, "--chdir", "/", "--", AGENT_PATH, "--socket"])
            .args([&format!("{CONTROL_DIR}/agent.sock"), "--data", DATA_DIR])
            .in_cgroups(cgroup.joining_files())
            .output_to(&self.folder.join("log"));
        let mut child = spawn.start()?;
        let stream = accept(&listener, Some(child.pidfd()), &deadline).map_err(|error| {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            format!("{}: {error}: {log}", self.program.display())
        })?;
        AgentClient::greet(stream, &deadline)?.power_off(&deadline)?;
        child.wait(&deadline)?;
        self.hierarchies.remove_tree(&group)?;
        unmount(&rootfs, UnmountFlags::DETACH)?;
        let took = now().since(begin);
        fs::remove_file(&socket)?;
        for path in [&upper, &work, &rootfs] {
            fs::remove_dir_all(path)?;
        }
        Ok(took)
    }
}

impl Drop for Bubblewrap {
    fn drop(&mut self) {
        // If it is busy, the mount is removed when the namespace of this process ends.
        let _busy = unmount(self.folder.join("rootfs"), UnmountFlags::DETACH);
    }
}
