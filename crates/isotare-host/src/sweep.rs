//! Removing what was recorded, by identity.

use crate::{WaitError, process::kill_identified};
use isotare_cgroup::Hierarchies;
use isotare_core::{Deadline, Resource, is_plain_name, with_sources};
use rustix::mount::{UnmountFlags, unmount};
use std::io;
use std::path::{Component, Path};

/// Letters of an interface's name: `IFNAMSIZ` less the final zero, netdevice(7).
const LONGEST_LINK: usize = 15;

/// The result of removing a recorded resource.
#[derive(Debug)]
pub enum Swept {
    /// It did not exist any more.
    Absent,
    /// It existed and was removed.
    Removed,
    /// Only its driver can remove it.
    NeedsDriver,
    /// It could not be removed.
    Failed(String),
}

/// Removes one resource if it is still there. Call it in the reverse order of recording.
pub fn sweep(resource: &Resource, deadline: &Deadline) -> Swept {
    if let Err(why) = shape(resource) {
        return Swept::Failed(format!("refused: {why}"));
    }
    let outcome = match resource {
        Resource::Process(process) => kill_identified(*process, deadline),
        Resource::Cgroup { path } => Hierarchies::discover()
            .and_then(|hierarchies| hierarchies.remove_tree(path))
            .map_err(|error| WaitError::Io(io::Error::other(error))),
        Resource::Mount { path } => remove_mount(path).map_err(WaitError::Io),
        Resource::Path { path } => isotare_files::remove_tree(path).map_err(WaitError::Io),
        Resource::Link { name } => remove_link(name).map_err(WaitError::Io),
        Resource::Managed { .. } => return Swept::NeedsDriver,
    };
    match outcome {
        Ok(true) => Swept::Removed,
        Ok(false) => Swept::Absent,
        Err(error) => Swept::Failed(with_sources(&error)),
    }
}

/// Refuses a record that names something that this program never creates.
fn shape(resource: &Resource) -> Result<(), &'static str> {
    let fits = match resource {
        // Cgroups are checked by their removal, what drivers manage by the driver.
        Resource::Process(_) | Resource::Cgroup { .. } | Resource::Managed { .. } => return Ok(()),
        Resource::Mount { path } | Resource::Path { path } => {
            let mut names = path.components();
            names.next() == Some(Component::RootDir)
                && names.clone().next().is_some()
                && names.all(|name| matches!(name, Component::Normal(_)))
        }
        Resource::Link { name } => is_plain_name(name) && name.len() <= LONGEST_LINK,
    };
    fits.then_some(()).ok_or(match resource {
        Resource::Link { .. } => "it is not a valid name of a network interface",
        _ => "it is not an absolute path below the root",
    })
}

pub(crate) fn remove_mount(path: &Path) -> io::Result<bool> {
    match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(true),
        // EINVAL: not a mount point, umount(2).
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn remove_link(name: &str) -> io::Result<bool> {
    let link = Path::new("/sys/class/net").join(name);
    if !link.exists() {
        return Ok(false);
    }
    let ip = crate::find_program("ip")
        .ok_or_else(|| io::Error::other("the program 'ip' is needed (package iproute2)"))?;
    let output = std::process::Command::new(ip).args(["link", "delete", name]).output()?;
    match output.status.success() {
        true => Ok(true),
        // The kernel removes it as well, with the other end's namespace, perhaps in between.
        false if !link.exists() => Ok(false),
        false => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!("ip link delete {name}: {}", why.trim())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Interrupt;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::time::Duration;

    fn swept(resource: &Resource) -> Swept {
        sweep(resource, &crate::deadline_in(Duration::from_secs(10), &Interrupt::default()))
    }

    #[test]
    fn resources_that_no_session_makes_are_refused() {
        for path in ["/", "relative", "/var/tmp/../../etc", ""].map(PathBuf::from) {
            for resource in [Resource::Path { path: path.clone() }, Resource::Mount { path: path.clone() }] {
                let found = swept(&resource);
                assert!(
                    matches!(&found, Swept::Failed(why) if why.contains("refused")),
                    "{resource:?}: {found:?}"
                );
            }
        }
        for name in ["-4", "../block/x", "", "an-interface-of-a-long-name"] {
            let found = swept(&Resource::Link { name: name.to_owned() });
            assert!(matches!(&found, Swept::Failed(why) if why.contains("refused")), "{name}: {found:?}");
        }
    }

    #[test]
    fn links_are_removed_and_never_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let [outside, inside, link] = ["outside", "inside", "link"].map(|name| folder.path().join(name));
        for made in [&outside, &inside] {
            fs::create_dir(made).expect("made");
        }
        fs::write(outside.join("precious"), "x").expect("written");
        symlink(&outside, inside.join("link")).expect("linked");
        symlink(&outside, &link).expect("linked");
        for path in [inside, link] {
            assert!(matches!(swept(&Resource::Path { path: path.clone() }), Swept::Removed));
            assert!(path.symlink_metadata().is_err() && outside.join("precious").exists());
        }
    }
}
