//! Separate folders for each test: store, state and work.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub struct Place {
    root: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir_in("/var/tmp").unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn isotare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isotare"));
        std::fs::create_dir_all(self.path("work")).unwrap();
        command
            .args(arguments)
            .env("ISOTARE_STORE", self.path("store.db"))
            .env("ISOTARE_STATE", self.path("state"))
            .env("ISOTARE_WORK", self.path("work"))
            .env("NO_COLOR", "1");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.isotare(arguments).output().unwrap()
    }

    pub fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(arguments);
        let value = serde_json::from_slice(&output.stdout);
        (output.status.code().unwrap(), value.unwrap_or_else(|error| panic!("{error}: {}", text(&output))))
    }

    /// Everything that a session may leave behind. It is found by the names that sessions use.
    pub fn leftovers(&self) -> Vec<String> {
        let mut found = Vec::new();
        for folder in ["state", "work"] {
            let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
            found.extend(entries.map(|entry| entry.path().display().to_string()));
        }
        let work = self.path("work").display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        found.extend(mounts.lines().filter(|line| line.contains(&work)).map(str::to_owned));
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&work) && !line.contains("isotare compare") {
                found.push(line);
            }
        }
        found
    }

    /// Cgroups of a session, in every hierarchy.
    pub fn cgroups(session: &str) -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
        let groups =
            entries.chain([root.to_owned()]).map(|hierarchy| hierarchy.join("isotare").join(session));
        groups.filter(|group| group.exists()).collect()
    }
}

pub fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
