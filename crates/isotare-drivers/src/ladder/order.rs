//! The order for a launcher: a JSON text on its command line.

use super::rung::Rung;
use crate::container::veth::Link;
use isotare_core::CpuSet;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One instance.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The mechanisms to apply.
    pub(super) rungs: Vec<Rung>,
    /// The CPUs that may be used. They are the same on each rung, so that the rung `cgroup` shows the cost of
    /// a cgroup and not of fewer CPUs.
    pub(super) cpus: CpuSet,
    /// The program and its arguments.
    pub(super) program: Vec<String>,
    /// Read-only trees for [`Rung::Root`], the topmost first.
    pub(super) lowers: Vec<PathBuf>,
    /// The instance's folder on disk.
    pub(super) work: PathBuf,
    /// The folder to show inside.
    pub(super) control: PathBuf,
    /// The compiled filter for [`Rung::Seccomp`].
    pub(super) filter: PathBuf,
    /// The pair for [`Rung::Veth`].
    pub(super) link: Option<Link>,
}

impl Order {
    /// Whether a mechanism is applied.
    pub(super) fn has(&self, rung: Rung) -> bool {
        self.rungs.contains(&rung)
    }
}
