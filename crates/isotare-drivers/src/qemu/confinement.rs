//! What QEMU's process may do on the host: its filter of system calls, and the user that it becomes.

use super::spec::Root;
use crate::subnet::hash;
use isotare_core::Settings;
use rustix::process::geteuid;
use std::ffi::OsString;

/// First of the numbers from which each machine's user and group is taken. No other program assigns these
/// numbers: they are above the range of sssd's users (up to 2000200000) and below those that
/// <https://systemd.io/UIDS-GIDS> reserves (from 2147352576).
const FIRST: u32 = 2_013_265_920;
/// How many numbers there are. There are enough that machines that run at the same time do not get the same
/// number.
const COUNT: u32 = 1 << 26;
/// Since when `-run-with user=…` does what `-runas` did before:
/// <https://www.qemu.org/docs/master/about/removed-features.html>.
const RUN_WITH: (u32, u32) = (9, 1);

/// The confinement of all machines of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Confinement {
    /// Whether QEMU filters its own system calls.
    pub(super) filter: bool,
    /// The user of the QEMU process when the guest runs.
    pub(super) user: User,
}

/// The user of the QEMU process when the guest runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum User {
    /// A user of the machine's own. QEMU opens its files as root and becomes that user before the guest's
    /// first instruction.
    Own,
    /// Root, and why.
    Root(&'static str),
    /// The user who runs isotare.
    Caller(u32),
}

impl Confinement {
    /// Reads checked settings.
    pub(super) fn read(settings: &Settings, root: Root) -> Self {
        let mapped = ["/proc/self/uid_map", "/proc/self/gid_map"]
            .iter()
            .all(|path| std::fs::read_to_string(path).is_ok_and(|map| maps(&map, FIRST, COUNT)));
        Self::choose(settings.text("sandbox") != Some("off"), root, geteuid().as_raw(), mapped)
    }

    /// What is possible for `caller`; `mapped`: whether the user namespace has the machines' users.
    fn choose(wanted: bool, root: Root, caller: u32, mapped: bool) -> Self {
        let user = match (caller, root) {
            (1.., _) => User::Caller(caller),
            (0, _) if !wanted => User::Root("sandbox=off"),
            (0, Root::NineP) => User::Root("root=9p keeps the owners of files"),
            (0, _) if !mapped => User::Root("this user namespace has no other users"),
            (0, _) => User::Own,
        };
        Self { filter: wanted, user }
    }

    /// QEMU's options. `version` is QEMU's.
    pub(super) fn options(&self, instance: &str, version: &str) -> Vec<OsString> {
        let mut list = Vec::new();
        if self.filter {
            // With this filter QEMU could not become another user. If it is not root, the filter is not
            // needed, because each filter sets no_new_privs: seccomp(2).
            let elevate = if self.user == User::Own { "allow" } else { "deny" };
            let rest = "obsolete=deny,spawn=deny,resourcecontrol=deny";
            list.extend(["-sandbox".into(), format!("on,{rest},elevateprivileges={elevate}").into()]);
        }
        if self.user == User::Own {
            let id = user_of(instance);
            list.extend(match number(version) >= RUN_WITH {
                true => ["-run-with".into(), format!("user={id}:{id}").into()],
                false => ["-runas".into(), format!("{id}:{id}").into()],
            });
        }
        list
    }

    /// The fact `vmm.sandbox`.
    pub(super) fn filter_word(&self) -> &'static str {
        match (self.filter, &self.user) {
            (false, _) => "none",
            (true, User::Own) => "seccomp: obsolete, spawn, resourcecontrol denied",
            (true, _) => "seccomp: obsolete, spawn, resourcecontrol, elevateprivileges denied",
        }
    }

    /// The fact `vmm.user`.
    pub(super) fn user_word(&self) -> String {
        match &self.user {
            User::Own => "a separate user for each machine".to_owned(),
            User::Root(why) => format!("root: {why}"),
            User::Caller(id) => format!("uid {id}, who runs isotare"),
        }
    }
}

/// The user and the group of a machine.
fn user_of(instance: &str) -> u32 {
    let within = hash(instance) % u64::from(COUNT);
    FIRST + u32::try_from(within).unwrap_or(0)
}

/// Whether a user namespace has all these numbers: user_namespaces(7), "User and group ID mappings".
fn maps(map: &str, first: u32, count: u32) -> bool {
    map.lines().any(|line| {
        let fields: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
        let [inside, _, length] = fields[..] else { return false };
        (inside..inside.saturating_add(length)).contains(&u64::from(first))
            && u64::from(first) + u64::from(count) <= inside.saturating_add(length)
    })
}

/// The first two numbers of a version such as `10.0.2 (Debian 1:10.0.2+ds-2)`.
fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(confinement: &Confinement, version: &str) -> String {
        let list = confinement.options("a", version);
        list.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn root_starts_each_machine_as_a_separate_user() {
        let confinement = Confinement::choose(true, Root::Disk, 0, true);
        let sandbox = "-sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny,elevateprivileges=allow";
        let id = user_of("a");
        assert_eq!(words(&confinement, "10.0.2 (Debian)"), format!("{sandbox} -run-with user={id}:{id}"));
        assert_eq!(words(&confinement, "7.2.18 (Debian)"), format!("{sandbox} -runas {id}:{id}"));
        assert_eq!(words(&confinement, "9.0.4"), format!("{sandbox} -runas {id}:{id}"));
        assert_ne!(id, user_of("b"));
        assert!((FIRST..FIRST + COUNT).contains(&id));
    }

    #[test]
    fn a_machine_that_keeps_its_user_may_not_change_it() {
        let sandbox = "-sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny,elevateprivileges=deny";
        for (root, caller, mapped, user) in [
            (Root::NineP, 0, true, "root: root=9p keeps the owners of files"),
            (Root::Disk, 0, false, "root: this user namespace has no other users"),
            (Root::NineP, 1000, true, "uid 1000, who runs isotare"),
        ] {
            let confinement = Confinement::choose(true, root, caller, mapped);
            assert_eq!(words(&confinement, "10.0.2"), sandbox);
            assert_eq!(confinement.user_word(), user);
        }
        let off = Confinement::choose(false, Root::Disk, 0, true);
        assert_eq!((words(&off, "10.0.2").as_str(), off.filter_word()), ("", "none"));
    }

    #[test]
    fn a_user_namespace_without_the_needed_user_numbers_is_recognised() {
        assert!(maps("         0          0 4294967295\n", FIRST, COUNT));
        assert!(maps("0 1000 1\n1 100000 4294900000\n", FIRST, COUNT));
        assert!(!maps("0 100000 65536\n", FIRST, COUNT));
        assert!(!maps(&format!("0 0 {FIRST}\n{FIRST} 5 100\n"), FIRST, COUNT));
        assert!(!maps("", FIRST, COUNT));
    }
}
