//! The daemon's address and its API version.

use crate::http::{Content, Http, HttpError};
use hyper::Method;
use isotare_core::{Deadline, DriverError, Settings, Unavailable, with_sources};
use isotare_host::WaitError;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

const DEFAULT: &str = "/var/run/docker.sock";

/// A daemon's Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address(PathBuf);

/// Version of the Engine API: major, minor.
pub(super) type ApiVersion = (usize, usize);

impl Address {
    /// The setting `host`, otherwise `DOCKER_HOST`, otherwise the usual place.
    pub(super) fn choose(settings: &Settings) -> Result<Self, Unavailable> {
        match settings.text("host") {
            Some(host) => Self::parse(host, "setting host"),
            None => match std::env::var("DOCKER_HOST") {
                Ok(host) if !host.is_empty() => Self::parse(&host, "DOCKER_HOST"),
                _ => Ok(Self(DEFAULT.into())),
            },
        }
    }

    /// Reads `unix:///path` or a plain absolute path.
    pub(super) fn parse(host: &str, owner: &str) -> Result<Self, Unavailable> {
        let path = Path::new(host.strip_prefix("unix://").unwrap_or(host));
        if path.is_absolute() {
            return Ok(Self(path.to_owned()));
        }
        Err(Unavailable::new(
            format!("{owner} is '{host}', which is not a Unix socket of this machine"),
            "use a daemon that runs on this machine, and write its address as unix:///path/of/docker.sock",
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Connects. If that fails, the error says what to do.
    pub(super) fn connect(&self) -> Result<UnixStream, Unavailable> {
        UnixStream::connect(&self.0).map_err(|error| self.unconnected(&error))
    }

    fn unconnected(&self, error: &io::Error) -> Unavailable {
        let path = self.0.display();
        let start =
            "start it (systemctl start docker, or dockerd), or name another daemon with host=unix:///path";
        match error.kind() {
            io::ErrorKind::NotFound => Unavailable::new(
                format!("there is no Docker daemon's socket at {path}"),
                format!("install Docker (Debian: apt-get install docker.io) and {start}"),
            ),
            io::ErrorKind::PermissionDenied => Unavailable::new(
                format!("no permission to use the Docker daemon's socket {path}"),
                "run isotare as root, or become a member of the socket's group (usermod -aG docker USER, \
                 then log in again)",
            ),
            io::ErrorKind::ConnectionRefused => {
                Unavailable::new(format!("no Docker daemon listens at {path}"), start)
            }
            _ => Unavailable::new(format!("the Docker daemon at {path}: {error}"), start),
        }
    }

    /// Asks for the newest API version that the daemon speaks. The request itself does not contain a version,
    /// because a daemon refuses requests with a version newer than its own: Engine API, "Versioning".
    pub(super) fn api_version(&self, deadline: &Deadline) -> Result<ApiVersion, DriverError> {
        let broken = |cause: &dyn std::fmt::Display| {
            DriverError::Unavailable(Unavailable::new(
                format!("the program that listens at {self} does not answer like a Docker daemon: {cause}"),
                "look at its log (journalctl -u docker), restart it, or name another daemon with \
                 host=unix:///path",
            ))
        };
        let told = |error: HttpError| match error {
            HttpError::Unconnected(error) => self.unconnected(&error).into(),
            HttpError::Wait(WaitError::Interrupted) => DriverError::Interrupted,
            other => broken(&with_sources(&other)),
        };
        let http = Http::new().map_err(|error| broken(&error))?;
        let mut connection = http.connect(&self.0, deadline).map_err(told)?;
        let answer =
            http.ask(&mut connection, Method::GET, "/_ping", Content::Nothing, deadline).map_err(told)?;
        let version = answer.headers.get("api-version").and_then(|value| value.to_str().ok());
        version.and_then(version_in).ok_or_else(|| broken(&"it does not name an API version"))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unix://{}", self.0.display())
    }
}

fn version_in(value: &str) -> Option<ApiVersion> {
    let (major, minor) = value.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unix_sockets_are_addresses() {
        let path = Address(PathBuf::from("/x/d.sock"));
        assert_eq!(Address::parse("unix:///x/d.sock", "test"), Ok(path.clone()));
        assert_eq!(Address::parse("/x/d.sock", "test"), Ok(path.clone()));
        assert_eq!(path.to_string(), "unix:///x/d.sock");
        for bad in ["tcp://127.0.0.1:2375", "docker.sock", "ssh://host"] {
            let unavailable = Address::parse(bad, "DOCKER_HOST").expect_err(bad);
            assert!(unavailable.reason.contains(bad), "{unavailable}");
        }
    }

    #[test]
    fn a_version_has_two_numbers() {
        assert_eq!(version_in("1.41"), Some((1, 41)));
        assert_eq!(version_in("OpenSSH"), None);
    }
}
