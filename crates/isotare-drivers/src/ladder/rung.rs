//! The mechanisms and their order.

use isotare_core::{Settings, Unavailable};
use serde::{Deserialize, Serialize};

/// One mechanism. They are applied in this order, from the bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Rung {
    /// A cgroup with the budget.
    Cgroup,
    /// A mount namespace whose mounts do not reach the host.
    Mount,
    /// A pid namespace, with a `/proc` that shows it.
    Pid,
    /// A namespace for host and domain name.
    Uts,
    /// A namespace for System V objects and message queues.
    Ipc,
    /// A network namespace with loopback.
    Net,
    /// A user namespace, into which every user is mapped as itself.
    User,
    /// A cgroup namespace.
    CgroupNs,
    /// Another root: `pivot_root` to an overlay with its own `/proc`, `/sys` and `/dev`.
    Root,
    /// Docker's default capabilities and no others.
    Capabilities,
    /// `no_new_privs`.
    NoNewPrivs,
    /// Docker's default system call filter.
    Seccomp,
    /// Docker's default AppArmor profile.
    Apparmor,
    /// A veth pair to the host.
    Veth,
}

/// All, from the bottom.
const ALL: [Rung; 14] = [
    Rung::Cgroup,
    Rung::Mount,
    Rung::Pid,
    Rung::Uts,
    Rung::Ipc,
    Rung::Net,
    Rung::User,
    Rung::CgroupNs,
    Rung::Root,
    Rung::Capabilities,
    Rung::NoNewPrivs,
    Rung::Seccomp,
    Rung::Apparmor,
    Rung::Veth,
];

/// Their names. The first name is `none`.
pub(super) const NAMES: &[&str] = &[
    "none",
    "cgroup",
    "mount",
    "pid",
    "uts",
    "ipc",
    "net",
    "user",
    "cgroupns",
    "root",
    "capabilities",
    "no-new-privs",
    "seccomp",
    "apparmor",
    "veth",
];

impl Rung {
    /// Its name in settings.
    pub(super) fn name(self) -> &'static str {
        NAMES[self as usize + 1]
    }

    fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|rung| rung.name() == name)
    }

    /// The mechanisms that it needs.
    fn needs(self) -> Option<Self> {
        match self {
            Rung::Root => Some(Rung::Mount),
            Rung::Veth => Some(Rung::Net),
            _ => None,
        }
    }
}

/// The mechanisms that an environment applies, from the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Those that are applied.
    pub(super) rungs: Vec<Rung>,
    /// Why AppArmor is not one of them, although it is below the highest rung.
    pub(super) left_out: Option<String>,
}

/// What the settings ask for. `apparmor` says whether there is a profile to apply; below a higher rung, it is
/// omitted if there is no profile.
pub(super) fn choose(
    settings: &Settings,
    apparmor: impl FnOnce() -> Result<(), Unavailable>,
) -> Result<Chosen, Unavailable> {
    let (only, upto) = (settings.text("only"), settings.text("upto"));
    let goal = Rung::named(only.or(upto).unwrap_or(Rung::Veth.name()));
    let mut rungs: Vec<Rung> = match (only, upto) {
        (Some(_), Some(_)) => {
            return Err(Unavailable::new("'upto' and 'only' cannot be used together", "use one of them"));
        }
        (Some(_), None) => goal.and_then(Rung::needs).into_iter().chain(goal).collect(),
        _ => ALL.into_iter().filter(|rung| Some(*rung) <= goal).collect(),
    };
    let mut left_out = None;
    if rungs.contains(&Rung::Apparmor)
        && let Err(why) = apparmor()
    {
        if goal == Some(Rung::Apparmor) {
            return Err(why);
        }
        rungs.retain(|rung| *rung != Rung::Apparmor);
        left_out = Some(format!("apparmor: {}", why.reason));
    }
    Ok(Chosen { rungs, left_out })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(given: &[(&str, &str)], apparmor: bool) -> Result<String, String> {
        let settings = Settings::check("ladder", super::super::driver::SETTINGS, given.iter().copied());
        let apparmor =
            || if apparmor { Ok(()) } else { Err(Unavailable::new("no AppArmor", "boot with it")) };
        let chosen = choose(&settings.expect("checked"), apparmor).map_err(|why| why.to_string())?;
        Ok(chosen.rungs.into_iter().map(Rung::name).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_rung_has_a_name_and_includes_the_rungs_below() {
        for (index, rung) in ALL.into_iter().enumerate() {
            assert_eq!((rung as usize, Rung::named(NAMES[index + 1])), (index, Some(rung)));
        }
        assert_eq!(choice(&[("upto", "none")], true).as_deref(), Ok(""));
        assert_eq!(choice(&[("upto", "uts")], true).as_deref(), Ok("cgroup mount pid uts"));
        assert_eq!(choice(&[], true).as_deref(), Ok(&*NAMES[1..].join(" ")));
    }

    #[test]
    fn a_single_mechanism_includes_only_what_it_needs() {
        assert_eq!(choice(&[("only", "none")], true).as_deref(), Ok(""));
        assert_eq!(choice(&[("only", "seccomp")], true).as_deref(), Ok("seccomp"));
        assert_eq!(choice(&[("only", "root")], true).as_deref(), Ok("mount root"));
        assert!(choice(&[("only", "root"), ("upto", "net")], true).is_err());
    }

    #[test]
    fn missing_apparmor_is_skipped_unless_it_was_asked_for() {
        assert!(choice(&[], false).is_ok_and(|rungs| rungs.ends_with("seccomp veth")));
        assert!(choice(&[("upto", "apparmor")], false).is_err_and(|why| why.contains("no AppArmor")));
    }
}
