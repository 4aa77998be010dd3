//! The resources that a session creates on the host. Each is recorded before it is created, so that it can be
//! removed in any case.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// One resource that has to be removed in the end. It is removed only by this identity, never by a name
/// pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Resource {
    /// A process, with all processes that it started.
    Process(ProcessId),
    /// A cgroup, given by its path below each hierarchy's root, with its children and all processes that
    /// still run in it.
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
    /// Something that only its driver can remove, such as a Docker container or image.
    Managed {
        /// The driver's name.
        driver: String,
        /// Kind of thing, in the driver's words.
        what: String,
        /// Its identity, in the driver's words: names, addresses and paths, each of which the driver checks
        /// for its shape before it uses it. Never a program to run, nor an option or a file that names one.
        id: String,
    },
}

/// As people read it: `cgroup isotare/…`, `mount /…`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Process(id) => write!(f, "process {}", id.pid),
            Resource::Cgroup { path } => write!(f, "cgroup {path}"),
            Resource::Mount { path } => write!(f, "mount {}", path.display()),
            Resource::Path { path } => write!(f, "file or folder {}", path.display()),
            Resource::Link { name } => write!(f, "network link {name}"),
            Resource::Managed { driver, what, id } => write!(f, "{driver} {what} {id}"),
        }
    }
}

/// A process, identified so that it cannot be confused with a later process of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// Its start time, clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub started: u64,
}

/// Whether a recorded name may become a program's argument, the name of a file or a part of a URL: letters,
/// digits and `. _ -`, of which the first is a letter or a digit.
///
/// ```
/// use isotare_core::is_plain_name;
/// assert!(is_plain_name("20261129-120000-a012-t3"));
/// assert!(!is_plain_name("--config=x") && !is_plain_name("../x") && !is_plain_name(""));
/// ```
pub fn is_plain_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// Where resources are recorded before they are created.
pub trait Ledger: Send + Sync {
    /// Records one. When this returns, the record survives a `kill -9` of this process.
    fn record(&self, resource: &Resource) -> io::Result<()>;
}

/// Records nothing. For tests whose driver creates nothing.
#[derive(Debug)]
pub struct NoLedger;

impl Ledger for NoLedger {
    fn record(&self, _: &Resource) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_in_words() {
        let managed = |what: &str| Resource::Managed {
            driver: "docker".to_owned(),
            what: what.to_owned(),
            id: "isotare-s-t3".to_owned(),
        };
        for (resource, words) in [
            (Resource::Process(ProcessId { pid: 17, started: 99 }), "process 17"),
            (Resource::Cgroup { path: "isotare/s/t3".to_owned() }, "cgroup isotare/s/t3"),
            (Resource::Mount { path: "/var/tmp/isotare-s".into() }, "mount /var/tmp/isotare-s"),
            (Resource::Path { path: "/var/tmp/isotare-s".into() }, "file or folder /var/tmp/isotare-s"),
            (Resource::Link { name: "iso0".to_owned() }, "network link iso0"),
            (managed("container"), "docker container isotare-s-t3"),
        ] {
            assert_eq!(resource.to_string(), words);
        }
    }
}
