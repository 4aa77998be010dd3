//! Rules about what an instance can do to files of the host.

use super::exec::shell;
use crate::bed::Bed;
use std::fs;

/// The content of a file that only root of the host may read.
const SECRET: &str = "a-secret-of-the-host";

/// An instance must not be able to change the control folder. Text that Isotare reads back for a report may
/// come from the instance, but from nothing else.
pub(super) fn control_folder(bed: &mut Bed<'_>) -> Result<(), String> {
    let secret = bed.file("secret", SECRET)?;
    let mut life = bed.begin()?;
    // If the folder is not visible, nothing can be changed. Root in the instance may have the capability to
    // mount it again.
    let script = format!(
        "cd /isotare/control 2>/dev/null || exit 0; \
         for path in . agent.sock; do mount -o remount,bind,rw $path || mount -o remount,rw $path; done; \
         for name in agent.log console.log x; do ln -sf {} $name; echo x > more-$name; done; exit 0",
        secret.display()
    );
    life.run(shell(&script))?;
    let left = fs::read_dir(life.control()).map_err(|error| error.to_string())?;
    let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
    if left.iter().any(|name| name != "agent.sock") {
        return Err(format!("the instance wrote into the host's control folder: {left:?}"));
    }
    if life.instance.diagnostics().contains(SECRET) {
        return Err("the log contained a file of the host that the instance had named".to_owned());
    }
    life.end()
}

/// An image may be the userland of the host. It must not contain files that ordinary users of the host may
/// not read.
pub(super) fn closed_files(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    let output = life.run(shell("test -x /isotare/agent || exit 0; cat /etc/shadow /etc/gshadow; exit 0"))?;
    match output.streams.stdout.bytes == 0 {
        true => life.end(),
        false => Err("the instance read /etc/shadow or /etc/gshadow of the host".to_owned()),
    }
}
