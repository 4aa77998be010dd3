//! The daemon that serves an environment: the existing one, or a private one with the requested storage.

use super::address::Address;
use super::daemon::{DaemonSetup, PrivateDaemon};
use super::engine::Engine;
use super::info;
use super::ports::Ports;
use super::removal::daemon_resource;
use crate::loop_mount::LoopMount;
use bollard::models::SystemInfo;
use isotare_core::{DriverError, PrepareContext, Resource, Settings, Unavailable, is_plain_name};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the daemons' folders are. A socket's path has at most 107 bytes (unix(7)), and containerd adds some
/// to it.
const FOLDERS: &str = "/run";
/// How their names begin.
const PREFIX: &str = "isotare-docker-";

/// Makes the names of this process's daemons different.
static DAEMONS: AtomicU32 = AtomicU32::new(0);

/// A daemon that can serve the settings.
pub(super) struct Reached {
    pub(super) engine: Engine,
    pub(super) said: SystemInfo,
    pub(super) private: Option<Private>,
}

/// A private daemon. After dropping it, only files in the environment's folder are left.
pub(super) struct Private {
    // Dropped in this order.
    daemon: PrivateDaemon,
    _btrfs: Option<LoopMount>,
    _folder: Folder,
}

/// A folder that is removed when this is dropped.
struct Folder(PathBuf);

/// Finds or starts it.
pub(super) fn reach(settings: &Settings, cx: &PrepareContext<'_>) -> Result<Reached, DriverError> {
    Ports::of(settings)?;
    let connect = |address: Address, private| -> Result<Reached, DriverError> {
        let engine = Engine::connect(address, &cx.deadline)?;
        let said = info::ask(&engine, &cx.deadline)?;
        Ok(Reached { engine, said, private })
    };
    let found =
        Address::choose(settings).map_err(DriverError::from).and_then(|address| connect(address, None));
    let reached = match settings.text("storage") {
        None => found?,
        Some(storage) => match found {
            Ok(reached) if reached.said.driver.as_deref() == Some(storage) => reached,
            found if settings.text("host").is_some() => {
                let driver = found?.said.driver.unwrap_or_default();
                let reason = format!("the storage driver of the daemon in host= is {driver}, not {storage}");
                return Err(Unavailable::new(reason, "leave out host= or storage=").into());
            }
            _ => {
                let private = Private::start(storage, settings, cx)?;
                connect(private.daemon.address().clone(), Some(private))?
            }
        },
    };
    info::check(&reached.engine, &reached.said, settings, &cx.deadline)?;
    Ok(reached)
}

impl Private {
    fn start(storage: &str, settings: &Settings, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        PrivateDaemon::usable()?;
        match storage {
            "zfs" => Err(Unavailable::new(
                "no daemon here uses the storage driver zfs, and isotare cannot create a zfs pool",
                "use host= to name a daemon whose data root is on zfs (this needs the kernel's module zfs)",
            )),
            "fuse-overlayfs" => {
                crate::installed::program("fuse-overlayfs", "Debian: fuse-overlayfs").map(drop)
            }
            _ => Ok(()),
        }?;
        let folder = Folder::new(cx)?;
        let data = cx.work.join("docker");
        let failed = |error: io::Error| DriverError::failed("make", data.display().to_string(), error);
        fs::create_dir(&data).and_then(|()| symlink(&data, folder.0.join("data"))).map_err(failed)?;
        let btrfs = (storage == "btrfs").then(|| LoopMount::btrfs(&data, cx)).transpose()?;
        // This record comes after those of its containers and before those of the things that it uses, so
        // that they are removed in the right order.
        cx.ledger.record(&daemon_resource(&folder.0)).map_err(|error| {
            DriverError::failed("record daemon in", folder.0.display().to_string(), error)
        })?;
        let setup = DaemonSetup {
            folder: &folder.0,
            storage: Some(storage),
            bridged: settings.text("network") == Some("bridge"),
        };
        let daemon = PrivateDaemon::start(setup, cx.ledger, &cx.deadline)?;
        Ok(Self { daemon, _btrfs: btrfs, _folder: folder })
    }
}

/// Whether this is the path of a daemon's folder.
pub(super) fn is_folder(path: &Path) -> bool {
    let named = |name: &str| name.starts_with(PREFIX) && is_plain_name(name);
    path.parent() == Some(Path::new(FOLDERS))
        && path.file_name().and_then(|name| name.to_str()).is_some_and(named)
}

impl Folder {
    fn new(cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let number = DAEMONS.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(FOLDERS).join(format!("{PREFIX}{}-{number}", std::process::id()));
        let failed = |error: io::Error| DriverError::failed("make", path.display().to_string(), error);
        cx.ledger.record(&Resource::Path { path: path.clone() }).map_err(failed)?;
        DirBuilder::new().mode(0o711).create(&path).map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now stays recorded in the ledger.
        let _recorded = fs::remove_dir_all(&self.0);
    }
}
