//! Tests of what another user of the machine can do while a session runs.

use crate::ends::{end, signal, under_way};
use crate::place::{Place, text};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user `nobody` of most systems. It is in no group of root.
const NOBODY: u32 = 65534;

/// The files that `nobody` can reach below a folder, except the folder itself and its direct entries.
fn reached(folder: &std::path::Path) -> String {
    let find = Command::new("find").arg(folder).args(["-mindepth", "2"]).uid(NOBODY).gid(NOBODY).output();
    String::from_utf8_lossy(&find.unwrap().stdout).into_owned()
}

/// Otherwise another user could replace the agent of a session.
#[test]
fn a_work_folder_that_another_user_may_change_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return isotare_testkit::tally::tell("skipped the work folder of nobody: giving one away needs root");
    }
    let place = Place::new();
    let work = place.path("work");
    fs::create_dir_all(&work).unwrap();
    let compare = ["compare", "--env", "native", "--no-null", "--workload", "cpu:events=10", "--blocks", "6"];
    std::os::unix::fs::chown(&work, Some(NOBODY), Some(NOBODY)).unwrap();
    let foreign = place.run(&compare);
    std::os::unix::fs::chown(&work, Some(0), Some(0)).unwrap();
    fs::set_permissions(&work, Permissions::from_mode(0o777)).unwrap();
    let open = place.run(&compare);
    for (output, why) in [(foreign, "another user (uid 65534)"), (open, "sticky bit")] {
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        // The text is wrapped, so it may break anywhere.
        let said = text(&output).replace("\n  │ ", " ");
        assert!(said.contains(why) && said.contains("--work"), "{said}");
    }
    assert_eq!(place.leftovers(), Vec::<String>::new());
    fs::set_permissions(&work, Permissions::from_mode(0o1777)).unwrap();
    let sticky = place.run(&compare);
    assert!(sticky.status.success(), "{}", text(&sticky));
}

#[test]
fn another_user_reaches_nothing_of_a_running_session() {
    if !rustix::process::geteuid().is_root() {
        return isotare_testkit::tally::tell("skipped the look as nobody: becoming another user needs root");
    }
    let place = Place::new();
    fs::set_permissions(place.path(""), Permissions::from_mode(0o755)).unwrap();
    let (child, session) = under_way(&place, "container");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let found = [place.path("work"), place.path("state")].map(|folder| (reached(&folder), folder));
    signal(&child, rustix::process::Signal::INT);
    end(child);
    for (reached, folder) in found {
        assert_eq!(reached, "", "below {}", folder.display());
    }
    // If a set-user-ID program in the root of an instance were reached nevertheless, it would run as an
    // ordinary program.
    let point = place.path(&format!("work/isotare-{session}")).display().to_string();
    let mount = mounts.lines().find(|line| line.split(' ').nth(4) == Some(&point));
    let options = mount.and_then(|line| line.split(' ').nth(5)).unwrap_or_default();
    assert!(options.contains("nosuid") && options.contains("nodev"), "{point}: {options}");
    assert_eq!(place.leftovers(), Vec::<String>::new());
}
