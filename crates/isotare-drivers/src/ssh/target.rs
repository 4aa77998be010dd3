//! Which machine, and the way to it: a command line of ssh(1), so that the user's configuration, agents and jump hosts
//! count as they do by hand.

use super::diagnosis::diagnose;
use crate::installed::program;
use isotare_core::{Deadline, Settings, Unavailable};
use isotare_host::Spawn;
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Seconds for a connection to be made.
const CONNECT: &str = "ConnectTimeout=10";
/// What the client needs of the user's surroundings.
const PASSED: [&str; 4] = ["HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"];

/// A machine, and a private folder there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    program: PathBuf,
    /// All before the command.
    arguments: Vec<String>,
    /// Absolute; only letters that need no quotes in a shell, see [`Target::read`].
    pub(super) folder: String,
}

impl Target {
    /// Reads checked settings. The folder is one of this `name` below the one that the settings give.
    pub(super) fn read(settings: &Settings, name: &str) -> Result<Self, Unavailable> {
        let program = program("ssh", "Debian: openssh-client")?;
        let host = settings
            .text("host")
            .ok_or_else(|| Unavailable::new("no machine is named", "name one: ssh:host=NAME"))?;
        // Nobody is there to answer questions.
        let mut arguments: Vec<String> =
            ["-T", "-o", "BatchMode=yes", "-o", CONNECT].map(str::to_owned).to_vec();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&word| word.to_owned()));
        for (key, flag) in [("config", "-F"), ("user", "-l"), ("key", "-i")] {
            settings.text(key).iter().for_each(|value| add(&[flag, value]));
        }
        if let Some(port) = settings.integer("port") {
            add(&["-p", &port.to_string()]);
        }
        if settings.text("key").is_some() {
            add(&["-o", "IdentitiesOnly=yes"]);
        }
        if let Some(file) = settings.text("known-hosts") {
            add(&[
                "-o",
                &format!("UserKnownHostsFile={}", quoted(file)),
                "-o",
                "GlobalKnownHostsFile=/dev/null",
            ]);
        }
        add(&["--", host]);
        let above = settings.text("folder").unwrap_or("/var/tmp").trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
        if !above.chars().all(plain) || !(above.is_empty() || above.starts_with('/')) {
            let remedy = "give an absolute path of letters, digits and . _ - +";
            return Err(Unavailable::new(format!("setting folder: '{above}' cannot be used"), remedy));
        }
        Ok(Self { program, arguments, folder: format!("{above}/isotare-{name}") })
    }

    /// The client, about to run a command of the remote shell.
    pub(super) fn spawn(&self, command: &str) -> Spawn {
        let spawn = Spawn::new(&self.program).args(&self.arguments).arg(command);
        let passed = PASSED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        passed.fold(spawn, |spawn, (name, value)| spawn.env(name, value))
    }

    /// Runs a command to its end and gives what it and the client wrote. `log` is a file for that.
    pub(super) fn ask(
        &self,
        command: &str,
        input: Option<OwnedFd>,
        log: &Path,
        deadline: &Deadline,
    ) -> Result<String, Unavailable> {
        // One of an earlier question.
        let _absent = fs::remove_file(log);
        let mut spawn = self.spawn(command).output_to(log);
        if let Some(input) = input {
            spawn = spawn.input_from(input);
        }
        let said = || isotare_files::log_tail(log);
        let started = spawn.start().map_err(|error| error.to_string());
        let ended = started.and_then(|mut child| child.wait(deadline).map_err(|error| error.to_string()));
        match ended {
            Ok(status) if status.success() => Ok(said()),
            Ok(status) => Err(diagnose(&format!("ssh: {status}"), &said())),
            Err(why) => Err(diagnose(&format!("ssh: {why}"), &said())),
        }
    }

    /// Takes the folder away; no error if it is gone.
    pub(super) fn remove(&self, log: &Path, deadline: &Deadline) -> Result<(), Unavailable> {
        self.ask(&format!("rm -rf -- {}", self.folder), None, log, deadline).map(drop)
    }
}

/// A word of ssh_config(5), which may hold blanks.
fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

#[cfg(test)]
mod tests {
    use super::super::driver::SETTINGS;
    use super::*;

    fn target(given: &[(&str, &str)]) -> Result<Target, Unavailable> {
        let settings = Settings::check("ssh", SETTINGS, given.iter().copied()).expect("valid");
        Target::read(&settings, "s-0")
    }

    #[test]
    fn settings_become_the_clients_own_words() {
        let Ok(found) = target(&[
            ("host", "vm"),
            ("port", "2222"),
            ("user", "me"),
            ("key", "/k"),
            ("known-hosts", "/a b"),
            ("config", "/c"),
        ]) else {
            return;
        };
        assert_eq!(
            found.arguments.join(" "),
            "-T -o BatchMode=yes -o ConnectTimeout=10 -F /c -l me -i /k -p 2222 -o IdentitiesOnly=yes \
             -o UserKnownHostsFile=\"/a b\" -o GlobalKnownHostsFile=/dev/null -- vm"
        );
        assert_eq!(found.folder, "/var/tmp/isotare-s-0");
    }

    #[test]
    fn nothing_can_be_smuggled_into_the_remote_shell() {
        for folder in ["/a b", "/a;reboot", "relative", "/$HOME", "/a'"] {
            assert!(target(&[("host", "vm"), ("folder", folder)]).is_err(), "{folder}");
        }
        assert!(target(&[]).expect_err("no host").remedy.contains("ssh:host="));
    }
}
