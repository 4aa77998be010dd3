//! The paths of a private store, on the host and for Podman.

use super::options::Options;
use isotare_core::{CONTROL_FOLDER, DriverError, InstanceContext, PrepareContext, Resource};
use isotare_host::{MountNamespace, cover, hide_unified_cgroup, listen, make_run_folder};
use rustix::mount::mount_bind_recursive;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Where Podman finds the store when root runs it: at a short path (it refuses a `--runroot` of more than 50
/// characters) that other users reach as well. The folder exists everywhere: FHS 3.0, section 3.12.
const SEEN: &str = "/mnt";
/// Longest `--runroot` that Podman takes.
const LONGEST: usize = 50;
/// Folder in the store for a file system of its own.
pub(super) const BTRFS: &str = "btrfs";
/// Things that all stores of one user would share: locks in shared memory, network namespaces and assigned
/// addresses.
const SHARED: [&str; 3] = ["/dev/shm", "/run/netns", "/run/containers"];

/// A folder by its two names.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// On the host.
    pub(super) host: PathBuf,
    /// As Podman sees it.
    pub(super) seen: PathBuf,
}

impl Place {
    /// The store's folder, which belongs to the user chosen.
    pub(super) fn of_store(options: &Options, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let host = cx.work.join("podman");
        let failed = |error: io::Error| DriverError::failed("make", host.display().to_string(), error);
        fs::create_dir(&host).map_err(failed)?;
        let seen = if options.namespace { PathBuf::from(SEEN) } else { host.clone() };
        let place = Self { host: host.clone(), seen };
        for name in ["networks", "home", "run", BTRFS] {
            fs::create_dir(place.host.join(name)).map_err(failed)?;
            place.give(options, name).map_err(failed)?;
        }
        place.give(options, "").map_err(failed)?;
        Ok(place)
    }

    /// An instance's run folder: pid files, and the control folder that its container sees.
    pub(super) fn of_instance(&self, options: &Options, cx: &InstanceContext<'_>) -> io::Result<Self> {
        if options.user.is_none() {
            return Ok(Self { host: cx.run.to_owned(), seen: cx.run.to_owned() });
        }
        // The runner's folder is out of the user's reach.
        let place = self.join(cx.instance);
        make_run_folder(&place.host)?;
        place.give(options, "")?;
        Ok(place)
    }

    /// Listens for the agent in an instance's control folder. The path may be longer than a socket's address
    /// can be (unix(7): 108 bytes), so it is named through a descriptor.
    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        let folder = fs::File::open(self.host.join(CONTROL_FOLDER))?;
        listen(Path::new(&format!("/proc/self/fd/{}/agent.sock", folder.as_raw_fd())))
    }

    /// A namespace in which Podman sees it. Also what Podman mounts and keeps for itself stays there, so that
    /// it ends with the last process, and a version 2 hierarchy beside version 1 is hidden, which crun
    /// refuses to work with.
    pub(super) fn namespace(&self) -> Result<MountNamespace, DriverError> {
        let furnish = || {
            hide_unified_cgroup()?;
            SHARED.iter().try_for_each(|folder| cover(Path::new(folder)))?;
            match self.seen == self.host {
                true => Ok(()),
                // With the file system that may be mounted below.
                false => Ok(mount_bind_recursive(&self.host, &self.seen)?),
            }
        };
        MountNamespace::new(furnish).map_err(|error| {
            DriverError::failed("make mount namespace for", self.host.display().to_string(), error)
        })
    }

    fn join(&self, name: &str) -> Self {
        Self { host: self.host.join(name), seen: self.seen.join(name) }
    }

    fn give(&self, options: &Options, name: &str) -> io::Result<()> {
        let path = self.host.join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        options.user.map_or(Ok(()), |user| chown(&path, Some(user.id), Some(user.group)))
    }
}

/// The folder for `--runroot`.
pub(super) enum Runroot {
    /// In the store.
    Below(PathBuf),
    /// A separate folder, if the store's own path is too long. Dropping it removes it.
    Apart(PathBuf),
}

impl Runroot {
    pub(super) fn new(place: &Place, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let below = place.seen.join("runroot");
        if below.as_os_str().len() <= LONGEST {
            return Ok(Self::Below(below));
        }
        // Unique by the process, and in it by the environment's folder.
        let name = cx.work.file_name().unwrap_or_default().to_string_lossy();
        let path = std::env::temp_dir().join(format!("isotare-{}-{name}", std::process::id()));
        let failed = |error: io::Error| DriverError::failed("make", path.display().to_string(), error);
        cx.ledger.record(&Resource::Path { path: path.clone() }).map_err(failed)?;
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        Ok(Self::Apart(path))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Below(path) | Self::Apart(path) => path,
        }
    }
}

impl Drop for Runroot {
    fn drop(&mut self) {
        if let Self::Apart(path) = self {
            // What cannot be removed now stays recorded in the ledger.
            let _recorded = fs::remove_dir_all(path);
        }
    }
}
