//! Tests with records of sessions, and with records of attackers.

use super::*;
use isotare_core::with_sources;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

fn listed(root: &Path) -> Vec<io::Result<StaleSession>> {
    StaleSession::list(root).expect("listed")
}

/// The reason why the only record below this root is refused.
fn refusal(root: &Path) -> String {
    let mut found = listed(root);
    assert_eq!(found.len(), 1);
    with_sources(&found.remove(0).expect_err("refused"))
}

/// A record of a process that has ended, with one path that has to be removed.
fn left_behind(root: &Path, session: &str) -> PathBuf {
    let state = SessionState::create(root, session).expect("made");
    state.record(&Resource::Path { path: "/x".into() }).expect("recorded");
    fs::write(state.folder().join(OWNER), r#"{"process":{"pid":1,"started":123456789}}"#).expect("written");
    state.folder().to_owned()
}

#[test]
fn resources_are_read_back_and_a_running_session_is_not_stale() {
    let root = tempfile::tempdir().expect("a folder");
    let state = SessionState::create(root.path(), "s1").expect("made");
    let resource = Resource::Cgroup { path: "isotare/s1/a".into() };
    state.record(&resource).expect("recorded");
    assert_eq!(state.recorded().expect("read"), [resource]);
    assert!(listed(root.path()).is_empty());
    assert!(SessionState::create(root.path(), "s1").is_err(), "a session is made once");
    assert!(SessionState::create(root.path(), "../s1").is_err(), "and has a name");
    state.close().expect("forgotten");
    assert!(!root.path().exists());
}

#[test]
fn a_session_whose_process_is_gone_is_stale_and_a_torn_line_is_no_resource() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = left_behind(root.path(), "s1");
    let append = |bytes: &[u8]| {
        let file = File::options().append(true).open(folder.join(RESOURCES));
        file.and_then(|mut file| file.write_all(bytes)).expect("written");
    };
    append(b"{\"kind\":\"pa");
    let stale = listed(root.path()).remove(0).expect("believed");
    assert_eq!(stale.resources, [Resource::Path { path: "/x".into() }]);
    // A complete line without content must not be taken for the end of a resource that is being written.
    append(b"\n");
    assert!(refusal(root.path()).contains("resources.jsonl: line 2"));
}

#[test]
fn a_record_that_others_can_have_written_is_refused_and_the_others_are_read() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = left_behind(root.path(), "s1");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    for (path, bad, good) in [
        (folder.clone(), 0o777, 0o700),
        (folder.join(OWNER), 0o666, 0o600),
        (folder.join(RESOURCES), 0o620, 0o600),
    ] {
        mode(&path, bad);
        let why = refusal(root.path());
        assert!(why.contains(&path.display().to_string()) && why.contains("other users may write"), "{why}");
        mode(&path, good);
    }
    let (real, link) = (folder.join("elsewhere"), folder.join(RESOURCES));
    fs::rename(&link, &real).expect("moved");
    symlink(&real, &link).expect("linked");
    assert!(refusal(root.path()).contains("link"));
    let outside = tempfile::tempdir().expect("a folder");
    left_behind(outside.path(), "s2");
    symlink(outside.path().join("s2"), root.path().join("s2")).expect("linked");
    left_behind(root.path(), "s3");
    let found = listed(root.path());
    let believed: Vec<_> = found.iter().flatten().map(|session| session.id.as_str()).collect();
    assert_eq!((found.len(), believed), (3, vec!["s3"]));
}

#[test]
fn a_folder_of_records_that_somebody_else_made_is_refused() {
    let place = tempfile::tempdir().expect("a folder");
    let root = place.path().join("isotare-0");
    left_behind(&root, "s1");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).expect("set");
    for refused in [StaleSession::list(&root).map(drop), SessionState::create(&root, "s2").map(drop)] {
        assert!(with_sources(&refused.expect_err("refused")).contains("other users may write to it"));
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).expect("set");
    let link = place.path().join("link");
    symlink(&root, &link).expect("linked");
    assert!(with_sources(&StaleSession::list(&link).expect_err("refused")).contains("link"));
    // Only root can give a folder away.
    if rustix::process::geteuid().is_root() {
        chown(&root, Some(65534), Some(65534)).expect("given away");
        let why = with_sources(&StaleSession::list(&root).expect_err("refused"));
        assert!(why.contains("belongs to uid 65534"), "{why}");
    }
}

#[test]
fn a_session_that_is_being_made_or_forgotten_is_not_cleaned() {
    let root = tempfile::tempdir().expect("a folder");
    let us = this_process().expect("known");
    let gone = ProcessId { started: us.started + 1, ..us };
    for process in [us, gone] {
        DirBuilder::new().mode(0o700).create(aside(root.path(), process, "s-1")).expect("made");
    }
    assert!(listed(root.path()).is_empty());
    assert!(aside(root.path(), us, "s-1").exists(), "ours is left alone");
    assert!(!aside(root.path(), gone, "s-1").exists(), "one of a process that died is removed");
}

#[test]
fn sessions_are_made_and_forgotten_while_another_process_cleans() {
    let place = tempfile::tempdir().expect("a folder");
    let (root, done) = (place.path().join("state"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let cleaning = scope.spawn(|| {
            let mut found = Vec::new();
            while !done.load(Ordering::SeqCst) {
                // The root itself may be created and removed at the same time.
                found.extend(StaleSession::list(&root).expect("listed"));
            }
            found
        });
        let makers: Vec<_> = (0..3)
            .map(|maker| {
                let root = &root;
                scope.spawn(move || {
                    for turn in 0..200 {
                        let state = SessionState::create(root, &format!("s{maker}-{turn}")).expect("made");
                        state.record(&Resource::Path { path: "/x".into() }).expect("recorded");
                        state.close().expect("forgotten");
                    }
                })
            })
            .collect();
        makers.into_iter().for_each(|maker| maker.join().expect("made all"));
        done.store(true, Ordering::SeqCst);
        let found = cleaning.join().expect("no panic");
        assert!(found.is_empty(), "taken for left behind: {found:?}");
    });
}
