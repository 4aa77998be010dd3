//! The setting `publish`: a port of the host that leads into the container.

use bollard::models::{PortBinding, PortMap};
use isotare_core::{Settings, Unavailable};

/// A port of the host and one of the container, both TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    host: u16,
    container: u16,
}

impl Ports {
    /// What the settings ask for.
    pub(super) fn of(settings: &Settings) -> Result<Option<Self>, Unavailable> {
        let Some(text) = settings.text("publish") else { return Ok(None) };
        let ports = Self::parse(text).ok_or_else(|| {
            Unavailable::new(format!("publish={text} does not name two ports"), "write it as publish=8080:80")
        })?;
        match settings.text("network") {
            Some("bridge") => Ok(Some(ports)),
            other => Err(Unavailable::new(
                format!("with network={}, ports cannot be published", other.unwrap_or("none")),
                "use network=bridge with publish=",
            )),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (host, container) = text.split_once(':')?;
        Some(Self { host: host.parse().ok()?, container: container.parse().ok()? })
    }

    /// The container's port as the API writes it.
    pub(super) fn key(&self) -> String {
        format!("{}/tcp", self.container)
    }

    /// The host's port for it.
    pub(super) fn bindings(&self) -> PortMap {
        let binding = PortBinding { host_ip: None, host_port: Some(self.host.to_string()) };
        PortMap::from([(self.key(), Some(vec![binding]))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_ports_are_accepted() {
        assert_eq!(Ports::parse("8080:80"), Some(Ports { host: 8080, container: 80 }));
        for bad in ["80", "a:b", "1:70000", "127.0.0.1:80:80"] {
            assert_eq!(Ports::parse(bad), None, "{bad}");
        }
    }
}
