//! Which machine, and the way to it: a command line of ssh(1), so that the user's configuration, agents and
//! jump hosts are used as usual.

use super::diagnosis::diagnose;
use crate::installed::program;
use isotare_core::{Deadline, Settings, Unavailable};
use isotare_host::Spawn;
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Seconds for a connection to be made.
const CONNECT: &str = "ConnectTimeout=10";
/// What the client needs of the user's surroundings.
const PASSED: [&str; 4] = ["HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"];

/// A machine, and a private folder there. Its serialised form is a record. No program is run from a record:
/// the client is searched again, and a configuration file, which can name programs (`ProxyCommand`,
/// ssh_config(5)), is not included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    known_hosts: Option<String>,
    #[serde(skip)]
    config: Option<String>,
    /// Whether there is a configuration that the user named.
    configured: bool,
    /// Absolute; only letters that need no quotes in a shell.
    pub(super) folder: String,
}

impl Target {
    /// Reads checked settings. The folder is one of this `name` below the one that the settings give.
    pub(super) fn read(settings: &Settings, name: &str) -> Result<Self, Unavailable> {
        let text = |key| settings.text(key).map(str::to_owned);
        let host =
            text("host").ok_or_else(|| Unavailable::new("no machine is named", "name one: ssh:host=NAME"))?;
        let above = settings.text("folder").unwrap_or("/var/tmp").trim_end_matches('/');
        let target = Self {
            host,
            port: settings.integer("port").and_then(|port| u16::try_from(port).ok()),
            user: text("user"),
            key: text("key"),
            known_hosts: text("known-hosts"),
            config: text("config"),
            configured: settings.text("config").is_some(),
            folder: format!("{above}/isotare-{name}"),
        };
        target.check()?;
        Ok(target)
    }

    /// Reads what [`Target::record`] wrote, in the same session or a later one. If the machine was reached
    /// with a configuration file, this file is needed to reach it again: `configuration` is the one that was
    /// given to this process for this folder.
    pub(super) fn of_record(record: &str, configuration: Option<String>) -> Result<Self, Unavailable> {
        let remedy = "if the folder exists, remove it by hand";
        let mut target: Self = serde_json::from_str(record)
            .map_err(|error| Unavailable::new(format!("no record of the driver ssh: {error}"), remedy))?;
        target.check()?;
        if target.configured && configuration.is_none() {
            return Err(Unavailable::new(
                format!(
                    "{} was reached with a configuration file (config=FILE), which is not part of the record",
                    target.host
                ),
                format!("remove it by hand: ssh -F FILE {} rm -rf -- {}", target.host, target.folder),
            ));
        }
        target.config = configuration;
        Ok(target)
    }

    /// What is kept for [`Target::of_record`].
    pub(super) fn record(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The configuration that was named.
    pub(super) fn config(&self) -> Option<&str> {
        self.config.as_deref()
    }

    /// Refuses values that the client or the remote shell would interpret in another way.
    fn check(&self) -> Result<(), Unavailable> {
        let refused = |key: &str, value: &str, remedy: &str| {
            Err(Unavailable::new(format!("setting {key}: '{value}' cannot be used"), remedy))
        };
        // Values that a user's configuration can pass to a shell (%h, %r).
        let is_word = |word: &str, more: &[char]| {
            !word.starts_with('-')
                && !word.is_empty()
                && word.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c))
        };
        if !is_word(&self.host, &['.', '_', '-', ':', '@', '%', '[', ']']) {
            return refused(
                "host",
                &self.host,
                "give a name or an address of letters, digits and . _ - : @ %",
            );
        }
        if let Some(user) = self.user.as_ref().filter(|user| !is_word(user, &['.', '_', '-', '@', '+'])) {
            return refused("user", user, "give a name of letters, digits and . _ - @ +");
        }
        let file = self.known_hosts.as_ref().filter(|file| file.contains(['"', '\n']));
        if let Some(file) = file {
            return refused("known-hosts", file, "name a file without quotation marks in its path");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
        let last = self.folder.rsplit('/').next().unwrap_or_default();
        let is_folder = self.folder.starts_with('/')
            && self.folder.chars().all(plain)
            && !self.folder.split('/').any(|name| name == "..")
            && last.starts_with("isotare-");
        match is_folder {
            true => Ok(()),
            false => refused("folder", &self.folder, "give an absolute path of letters, digits and . _ - +"),
        }
    }

    /// All words of the client before the command.
    fn arguments(&self) -> Vec<String> {
        // There is nobody who could answer questions.
        let mut arguments: Vec<String> =
            ["-T", "-o", "BatchMode=yes", "-o", CONNECT].map(str::to_owned).to_vec();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&word| word.to_owned()));
        for (flag, value) in [("-F", &self.config), ("-l", &self.user), ("-i", &self.key)] {
            value.iter().for_each(|value| add(&[flag, value]));
        }
        if let Some(port) = self.port {
            add(&["-p", &port.to_string()]);
        }
        if self.key.is_some() {
            add(&["-o", "IdentitiesOnly=yes"]);
        }
        if let Some(file) = &self.known_hosts {
            add(&["-o", &format!("UserKnownHostsFile=\"{file}\""), "-o", "GlobalKnownHostsFile=/dev/null"]);
        }
        add(&["--", &self.host]);
        arguments
    }

    /// The client, about to run a command of the remote shell.
    pub(super) fn spawn(&self, command: &str) -> Result<Spawn, Unavailable> {
        let program = program("ssh", "Debian: openssh-client")?;
        let spawn = Spawn::new(program).args(self.arguments()).arg(command);
        let passed = PASSED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        Ok(passed.fold(spawn, |spawn, (name, value)| spawn.env(name, value)))
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
        let mut spawn = self.spawn(command)?.output_to(log);
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

#[cfg(test)]
mod tests {
    use super::super::driver::SETTINGS;
    use super::*;

    fn target(given: &[(&str, &str)]) -> Result<Target, Unavailable> {
        let settings = Settings::check("ssh", SETTINGS, given.iter().copied()).expect("valid");
        Target::read(&settings, "s-0")
    }

    #[test]
    fn settings_become_arguments_of_the_client() {
        let found = target(&[
            ("host", "vm"),
            ("port", "2222"),
            ("user", "me"),
            ("key", "/k"),
            ("known-hosts", "/a b"),
            ("config", "/c"),
        ])
        .expect("valid");
        assert_eq!(
            found.arguments().join(" "),
            "-T -o BatchMode=yes -o ConnectTimeout=10 -F /c -l me -i /k -p 2222 -o IdentitiesOnly=yes \
             -o UserKnownHostsFile=\"/a b\" -o GlobalKnownHostsFile=/dev/null -- vm"
        );
        assert_eq!(found.folder, "/var/tmp/isotare-s-0");
    }

    #[test]
    fn settings_cannot_add_commands_or_options() {
        for folder in ["/a b", "/a;reboot", "relative", "/$HOME", "/a'", "/../etc"] {
            assert!(target(&[("host", "vm"), ("folder", folder)]).is_err(), "{folder}");
        }
        for (key, value) in [
            ("host", "-oProxyCommand=x"),
            ("host", "a b"),
            ("host", "$(x)"),
            ("user", "-x"),
            ("user", "a`x`"),
            ("known-hosts", "/a\" /b"),
        ] {
            let given = [("host", "vm"), (key, value)];
            let given = if key == "host" { &given[1..] } else { &given[..] };
            let error = target(given).expect_err(value);
            assert!(error.reason.contains(value), "{error}");
        }
        assert!(target(&[]).expect_err("no host").remedy.contains("ssh:host="));
    }

    #[test]
    fn a_record_leads_to_the_folder_and_cannot_name_a_program() {
        let found = target(&[("host", "vm"), ("port", "2222"), ("key", "/k")]).expect("valid");
        let record = found.record().expect("written");
        assert_eq!(Target::of_record(&record, None), Ok(found));
        // Records as an attacker would write them, and one of an earlier version.
        for planted in [
            r#"{"program":"/tmp/x","arguments":[],"folder":"/var/tmp/isotare-s-0"}"#,
            r#"{"host":"vm","configured":false,"folder":"/var/tmp/isotare-s-0","config":"/tmp/x"}"#,
            r#"{"host":"-oProxyCommand=/tmp/x","configured":false,"folder":"/var/tmp/isotare-s-0"}"#,
            r#"{"host":"vm","configured":false,"folder":"/var/tmp/isotare-s-0;x"}"#,
            r#"{"host":"vm","configured":false,"folder":"/etc"}"#,
        ] {
            assert!(Target::of_record(planted, None).is_err(), "{planted}");
        }
    }

    #[test]
    fn a_configuration_is_not_in_the_record_and_must_be_given_again() {
        let found = target(&[("host", "vm"), ("config", "/c")]).expect("valid");
        let record = found.record().expect("written");
        assert!(!record.contains("/c"), "{record}");
        let error = Target::of_record(&record, None).expect_err("nobody knows it");
        assert!(error.remedy.contains("ssh -F FILE vm rm -rf -- /var/tmp/isotare-s-0"), "{error}");
        assert_eq!(Target::of_record(&record, Some("/c".to_owned())), Ok(found));
    }
}
