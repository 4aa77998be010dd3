//! Details of gVisor: facts, and the files in which its runtime describes a container.

use isotare_core::{Member, Role};
use serde::Deserialize;
use std::path::Path;

/// Its flags `--oci-seccomp=false` and `--overlay2=root:self`, which are the defaults.
pub(super) const FACTS: &[(&str, &str)] = &[
    ("container.seccomp", "none inside, because gVisor's kernel handles the calls"),
    ("container.root", "gVisor's own writable layer on an overlay"),
];

/// Whether a runtime of an engine is gVisor's, by its name or path, and so why its containers cannot be
/// attached to a segment.
pub(crate) fn unattached(runtime: Option<&str>) -> Option<&'static str> {
    let name = runtime?.rsplit('/').next()?;
    name.starts_with("runsc").then_some(
        "gVisor takes over only the links that its network namespace has when it starts, and the engine \
         makes that namespace",
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    gofer_pid: u32,
}

/// The process that opens files for the sandbox: `Container` in runsc/container/container.go of gVisor's
/// source.
pub(super) fn gofer(state: &Path, id: &str) -> Option<Member> {
    let text = std::fs::read(state.join(format!("{id}_sandbox:{id}.state"))).ok()?;
    let State { gofer_pid } = serde_json::from_slice(&text).ok()?;
    let running = isotare_host::identify(gofer_pid)?;
    Some(Member::new(Role::Shim, running.pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gvisor_in_an_engine_is_known_by_its_name() {
        assert!(["runsc", "/opt/bin/runsc", "runsc-kvm"].iter().all(|name| unattached(Some(name)).is_some()));
        assert!([None, Some("runc"), Some("/opt/runsc/crun")].iter().all(|name| unattached(*name).is_none()));
    }

    #[test]
    fn the_gofer_is_found_while_it_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |pid: u32| {
            // The format of runsc 0.0~20240729.0, shortened.
            let text = format!(
                r#"{{"id":"a","status":"created","goferPid":{pid},"sandbox":{{"id":"a","pid":13810}}}}"#
            );
            std::fs::write(folder.path().join("a_sandbox:a.state"), text).expect("written");
        };
        write(std::process::id());
        assert_eq!(gofer(folder.path(), "a").map(|member| member.pid), Some(std::process::id()));
        write(u32::MAX);
        assert_eq!(gofer(folder.path(), "a"), None);
        assert_eq!(gofer(folder.path(), "b"), None);
    }
}
