//! The description of a lab.

use std::time::Duration;

/// One lab host and its steps.
#[derive(Clone, Copy, Debug)]
pub struct Lab {
    /// Its name in messages and in the tally.
    pub name: &'static str,
    /// Debian packages in addition to a minimal system.
    pub packages: &'static [&'static str],
    /// What the machine starts.
    pub boot: Boot,
    /// QEMU's `-machine`.
    pub machine: &'static str,
    /// QEMU's `-cpu`.
    pub cpu: &'static str,
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// The steps that run inside, in order.
    pub steps: &'static [Step],
    /// The longest time from power-on to power-off.
    pub deadline: Duration,
}

/// What a lab's machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// The Linux kernel.
    Linux,
    /// The Xen hypervisor, with the Linux kernel as its first domain.
    Xen,
}

/// A step of a lab. All steps run, even if one fails; then the lab fails.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A shell script that runs with `set -eu`. The programs are in its `PATH`. Its exit status decides.
    Script(&'static str, &'static str),
    /// The conformance suite with one environment, which must be available there.
    Conformance(&'static str),
}

impl Step {
    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Script(name, _) | Step::Conformance(name) => name,
        }
    }

    pub(super) fn script(&self) -> String {
        match self {
            Step::Script(_, script) => (*script).to_owned(),
            Step::Conformance(spec) => format!("exec conformance --color never --exact '{spec}'"),
        }
    }
}
