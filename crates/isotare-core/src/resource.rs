//! What a session creates on the host, recorded before it exists, so that it can be removed whatever happens.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// One thing that has to be gone in the end. Removal is by this identity only, never by a name pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Resource {
    /// A process, with what it started.
    Process(ProcessId),
    /// A cgroup, by its path below each hierarchy's root, with its children and whatever still runs in it.
    Cgroup {
        /// Such as `isotare/SESSION/INSTANCE`.
        path: String,
    },
    /// A mount.
    Mount {
        /// The mount point.
        path: PathBuf,
    },
    /// A file or a folder with all in it.
    Path {
        /// Absolute.
        path: PathBuf,
    },
    /// A network interface of the host.
    Link {
        /// Its name.
        name: String,
    },
    /// Something only its driver can remove: a Docker container or image.
    Managed {
        /// The driver's name.
        driver: String,
        /// Kind of thing, in the driver's words.
        what: String,
        /// Its identity, in the driver's words.
        id: String,
    },
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// Its start time, clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub started: u64,
}

/// Where resources are written down before they are made.
pub trait Ledger: Send + Sync {
    /// Writes one down; it is durable against `kill -9` of this process when this returns.
    fn record(&self, resource: &Resource) -> io::Result<()>;
}

/// Writes nothing down: for tests whose driver creates nothing.
#[derive(Debug)]
pub struct NoLedger;

impl Ledger for NoLedger {
    fn record(&self, _: &Resource) -> io::Result<()> {
        Ok(())
    }
}
