//! The command line of bwrap(1).

use crate::root::{SOCKET, socket_inside};
use isotare_core::{AGENT_PATH, CONTROL_DIR, DATA_DIR};
use std::ffi::OsString;
use std::path::Path;

/// The root of the sandbox.
#[derive(Clone, Copy, Debug)]
pub(super) enum Root<'a> {
    /// A writable tree of its own.
    Own(&'a Path),
    /// A read-only tree that all instances share, with this folder of the instance for data.
    Shared(&'a Path, &'a Path),
}

/// The arguments for an instance: every namespace that bubblewrap knows, its own `/proc` and `/dev`.
pub(super) fn arguments(root: Root<'_>, control: &Path, host_network: bool) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |words: &[&dyn AsRef<std::ffi::OsStr>]| {
        arguments.extend(words.iter().map(|word| word.as_ref().to_owned()));
    };
    add(&[&"--unshare-all"]);
    if host_network {
        add(&[&"--share-net"]);
    }
    // The sandbox has to end when the session ends.
    add(&[&"--die-with-parent"]);
    match root {
        Root::Own(tree) => add(&[&"--bind", &tree, &"/"]),
        Root::Shared(tree, data) => {
            add(&[&"--ro-bind", &tree, &"/", &"--bind", &data, &DATA_DIR, &"--tmpfs", &"/tmp"]);
        }
    }
    let (socket, inside) = (control.join(SOCKET), socket_inside());
    add(&[&"--proc", &"/proc", &"--dev", &"/dev", &"--ro-bind", &socket, &inside, &"--chdir", &"/"]);
    let socket = format!("{CONTROL_DIR}/agent.sock");
    add(&[&"--", &AGENT_PATH, &"--socket", &socket, &"--data", &DATA_DIR]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(root: Root<'_>, host_network: bool) -> String {
        let words = arguments(root, Path::new("/run/i"), host_network);
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn mounts_come_after_the_root_that_contains_them() {
        let end = "--proc /proc --dev /dev --ro-bind /run/i/agent.sock /isotare/control/agent.sock --chdir / -- /isotare/agent --socket \
                   /isotare/control/agent.sock --data /isotare/data";
        assert_eq!(
            line(Root::Own(Path::new("/w/root")), false),
            format!("--unshare-all --die-with-parent --bind /w/root / {end}")
        );
        assert_eq!(
            line(Root::Shared(Path::new("/w/lower"), Path::new("/w/data")), true),
            format!(
                "--unshare-all --share-net --die-with-parent --ro-bind /w/lower / --bind /w/data /isotare/data \
                 --tmpfs /tmp {end}"
            )
        );
    }
}
