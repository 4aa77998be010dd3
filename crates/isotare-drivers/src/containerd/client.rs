//! The calls of `ctr`.

use super::shim;
use crate::oci::{Bundle, Runtime, Started, finish};
use isotare_core::{Cause, Deadline, DriverError, InstanceContext, Member, Resource, Role, is_plain_name};
use isotare_host::{Spawn, identify, output_of, readable};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The parameters of a containerd for `ctr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// The program.
    pub program: PathBuf,
    /// containerd's socket.
    pub address: PathBuf,
    /// containerd's namespace, which holds the containers.
    pub namespace: String,
}

/// How containers are made.
#[derive(Clone, Debug)]
pub(super) struct Ctr {
    pub client: Client,
    /// Name of the driver, for the record.
    pub driver: &'static str,
    /// Name of the shim, such as `io.containerd.runc.v2`.
    pub runtime: String,
    /// Configuration that the shim is to read.
    pub config: Option<PathBuf>,
    /// Whether the agent talks over its standard streams.
    pub stdio: bool,
}

impl Client {
    fn words(&self) -> [&std::ffi::OsStr; 4] {
        ["--address".as_ref(), self.address.as_os_str(), "--namespace".as_ref(), self.namespace.as_ref()]
    }

    fn call(&self, bundle: &Bundle) -> Spawn {
        Spawn::new(&self.program).args(self.words()).output_to(&bundle.log)
    }

    /// Its answer.
    pub(super) fn ask(&self, arguments: &[&str], deadline: &Deadline) -> Result<String, DriverError> {
        let words = self.words().map(|word| word.to_string_lossy().into_owned());
        let all: Vec<&str> = words.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let subject = || format!("{} {}", self.program.display(), all.join(" "));
        let output = output_of(&self.program, &all, deadline).map_err(|e| e.during("run", subject()))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().last().unwrap_or("it did not write anything").to_owned();
                Err(DriverError::failed("run", subject(), format!("{}: {last}", output.status)))
            }
        }
    }

    /// The record of a container. It contains the address of the containerd, because a later `clean` does not
    /// know the settings.
    fn resource(&self, driver: &str, id: &str) -> Resource {
        let id = format!("{}#{}#{id}", self.address.display(), self.namespace);
        Resource::Managed { driver: driver.to_owned(), what: "container".to_owned(), id }
    }

    /// The container of a record and the containerd that has it; `None` if it is not such a record.
    pub(super) fn of_record(program: PathBuf, id: &str) -> Option<(Self, &str)> {
        let (rest, container) = id.rsplit_once('#')?;
        let (address, namespace) = rest.rsplit_once('#')?;
        let fits = Path::new(address).is_absolute() && is_plain_name(namespace) && is_plain_name(container);
        if !fits {
            return None;
        }
        Some((Self { program, address: address.into(), namespace: namespace.to_owned() }, container))
    }

    /// Kills and removes a container, its task and its shim; true if any of them existed.
    pub(super) fn remove(&self, id: &str, deadline: &Deadline) -> Result<bool, DriverError> {
        let is_there = |list: String| list.lines().any(|line| line == id);
        let known = is_there(self.ask(&["containers", "list", "--quiet"], deadline)?);
        if known {
            if is_there(self.ask(&["tasks", "list", "--quiet"], deadline)?) {
                self.ask(&["tasks", "delete", "--force", id], deadline)?;
            }
            self.ask(&["containers", "delete", id], deadline)?;
        }
        Ok(shim::end(&self.address, &self.namespace, id, deadline)? || known)
    }
}

impl Ctr {
    fn create_arguments(&self, bundle: &Bundle) -> Vec<String> {
        let mut arguments = ["containers", "create", "--runtime", &self.runtime].map(str::to_owned).to_vec();
        if let Some(config) = &self.config {
            arguments.extend(["--runtime-config-path".to_owned(), config.display().to_string()]);
        }
        arguments.extend(["--config".to_owned(), bundle.config().display().to_string(), bundle.id.clone()]);
        arguments
    }

    fn start_arguments(&self, bundle: &Bundle) -> Vec<String> {
        let mut arguments = ["tasks", "start", "--pid-file"].map(str::to_owned).to_vec();
        arguments.push(bundle.pid_file().display().to_string());
        if !self.stdio {
            arguments.extend(["--detach", "--log-uri"].map(str::to_owned));
            arguments.push(format!("file://{}", bundle.log.display()));
        }
        arguments.push(bundle.id.clone());
        arguments
    }

    /// Starts it; `ctr` carries its standard streams. `ctr` prints nothing when the container has started, so
    /// the agent's hello shows this.
    fn start_attached(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<Started, DriverError> {
        let failed = |error: Cause| {
            DriverError::failed("start container", &bundle.id, format!("{error}: {}", bundle.last_words()))
        };
        let (ours, theirs) = UnixStream::pair().map_err(|e| failed(e.into()))?;
        let spawn = self.client.call(bundle).args(self.start_arguments(bundle));
        let child = spawn.streams_over(OwnedFd::from(theirs)).start().map_err(|e| failed(e.into()))?;
        readable(ours.as_fd(), Some(child.pidfd()), &cx.deadline).map_err(|error| match error {
            isotare_host::WaitError::Died => failed(error.into()),
            other => other.during("start container", &bundle.id),
        })?;
        Ok(Started { pid: Some(bundle.pid()?), stream: Some(ours), carrier: Some(child) })
    }
}

impl Runtime for Ctr {
    /// containerd only records the container; its shim creates it at the start.
    fn create(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<Option<u32>, DriverError> {
        cx.ledger
            .record(&self.client.resource(self.driver, &bundle.id))
            .map_err(|e| DriverError::failed("record container", &bundle.id, e))?;
        let call = self.client.call(bundle).args(self.create_arguments(bundle));
        finish("create container", &call, bundle, cx)?;
        Ok(None)
    }

    fn start(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<Started, DriverError> {
        if self.stdio {
            return self.start_attached(bundle, cx);
        }
        let call = self.client.call(bundle).args(self.start_arguments(bundle));
        finish("start container", &call, bundle, cx)?;
        Ok(Started { pid: Some(bundle.pid()?), ..Started::default() })
    }

    fn delete(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        // One call is enough for a container that never started, or whose end the shim has seen.
        let call = self.client.call(bundle).args(["containers", "delete", &bundle.id]);
        match finish("delete container", &call, bundle, cx) {
            Err(DriverError::Failed { .. }) => self.client.remove(&bundle.id, &cx.deadline).map(drop),
            done => done,
        }
    }

    fn beside(&self, _: &Bundle, pid: u32) -> Vec<Member> {
        let shim = shim::of(pid).map(|pid| Member::new(Role::Shim, pid));
        let daemon = UnixStream::connect(&self.client.address).ok();
        let daemon = daemon.and_then(isotare_host::peer_pid).filter(|&pid| identify(pid).is_some());
        shim.into_iter().chain(daemon.map(|pid| Member::shared(Role::Daemon, pid))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ctr(config: Option<&str>, stdio: bool) -> Ctr {
        let client = Client {
            program: "/usr/bin/ctr".into(),
            address: "/run/containerd/containerd.sock".into(),
            namespace: "isotare".to_owned(),
        };
        let runtime = "io.containerd.kata.v2".to_owned();
        Ctr { client, driver: "kata", runtime, config: config.map(PathBuf::from), stdio }
    }

    fn bundle() -> Bundle {
        Bundle { id: "a".to_owned(), folder: "/b".into(), log: "/w/console.log".into() }
    }

    #[test]
    fn the_command_names_the_shim_and_its_configuration() {
        let line = ctr(Some("/opt/kata/fc.toml"), true).create_arguments(&bundle()).join(" ");
        assert_eq!(
            line,
            "containers create --runtime io.containerd.kata.v2 --runtime-config-path /opt/kata/fc.toml \
             --config /b/config.json a"
        );
        assert!(!ctr(None, true).create_arguments(&bundle()).join(" ").contains("config-path"));
    }

    #[test]
    fn an_agent_that_reaches_its_socket_needs_no_standard_streams() {
        let line = |stdio| ctr(None, stdio).start_arguments(&bundle()).join(" ");
        assert_eq!(line(true), "tasks start --pid-file /b/pid a");
        assert_eq!(line(false), "tasks start --pid-file /b/pid --detach --log-uri file:///w/console.log a");
    }

    #[test]
    fn a_record_names_the_containerd() {
        let client = ctr(None, false).client;
        let Resource::Managed { id, .. } = client.resource("containerd", "a") else { panic!("managed") };
        assert_eq!(Client::of_record("/usr/bin/ctr".into(), &id), Some((client, "a")));
        for other in [
            "nothing",
            "/c.sock#isotare#--help",
            "/c.sock#--x#a",
            "relative#isotare#a",
            "/c.sock#isotare#a/b",
        ] {
            assert_eq!(Client::of_record("/usr/bin/ctr".into(), other), None, "{other}");
        }
    }
}
