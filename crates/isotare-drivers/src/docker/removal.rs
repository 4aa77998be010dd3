//! Removing containers and images, by identity, and only those with our label.

use super::address::Address;
use super::daemon;
use super::engine::{CallError, Engine};
use super::reached::is_folder;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder};
use isotare_core::{Deadline, DriverError, Resource, is_plain_name};
use isotare_host::pause;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// Label with the session's name.
pub(super) const SESSION_LABEL: &str = "isotare.session";
/// Label with the instance's name.
pub(super) const INSTANCE_LABEL: &str = "isotare.instance";
/// Kind of the record of a daemon.
const DAEMON: &str = "daemon";
/// Pause before the next try while the daemon is already removing it. There is no event to wait for.
const AGAIN: Duration = Duration::from_millis(20);

/// Kind of a recorded thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Container,
    Image,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Container => "container",
            What::Image => "image",
        }
    }
}

/// A thing of a daemon as a resource. Its identity contains the daemon, because a later `clean` does not know
/// the settings.
pub(super) fn resource(what: What, address: &Address, name: &str) -> Resource {
    Resource::Managed {
        driver: "docker".to_owned(),
        what: what.word().to_owned(),
        id: format!("{address}#{name}"),
    }
}

/// A private daemon as a resource, identified by the folder of its state.
pub(super) fn daemon_resource(folder: &Path) -> Resource {
    Resource::Managed {
        driver: "docker".to_owned(),
        what: DAEMON.to_owned(),
        id: folder.display().to_string(),
    }
}

/// Removes a recorded container, image or daemon; true if it was there.
pub(super) fn release(what: &str, id: &str, deadline: &Deadline) -> Result<bool, DriverError> {
    let unknown = || DriverError::failed("remove", format!("{what} {id}"), "no record of the driver docker");
    if what == DAEMON {
        // Programs are found, and mounts taken away, by this path.
        let folder = Path::new(id);
        return is_folder(folder).then(|| daemon::end(folder)).ok_or_else(unknown);
    }
    let what =
        [What::Container, What::Image].into_iter().find(|kind| kind.word() == what).ok_or_else(unknown)?;
    let (host, name) = id.rsplit_once('#').filter(|(_, name)| is_image_name(name)).ok_or_else(unknown)?;
    let address = Address::parse(host, "the record")?;
    if address.path().parent().is_some_and(|folder| !folder.exists()) {
        // A private daemon, which ends together with everything that belongs to it.
        return Ok(false);
    }
    let engine = Engine::connect(address, deadline)?;
    let labels = match what {
        What::Container => engine
            .call(deadline, |docker| docker.inspect_container(name, None))
            .map(|found| found.config.and_then(|config| config.labels)),
        What::Image => engine
            .call(deadline, |docker| docker.inspect_image(name))
            .map(|found| found.config.and_then(|config| config.labels)),
    };
    match labels {
        Ok(labels) if is_ours(labels.as_ref()) => {}
        Ok(_) => return Ok(false),
        Err(error) if error.is_status(404) => return Ok(false),
        Err(error) => return Err(error.during("look at", format!("{} {name}", what.word()))),
    }
    match what {
        What::Container => remove_container(&engine, name, deadline),
        What::Image => remove_image(&engine, name, deadline),
    }
}

/// Whether it can be the name of a container, or of an image with its tag.
fn is_image_name(name: &str) -> bool {
    name.split(['/', ':']).all(is_plain_name)
}

fn is_ours(labels: Option<&HashMap<String, String>>) -> bool {
    labels.is_some_and(|labels| labels.contains_key(SESSION_LABEL))
}

/// Kills and removes a container with its volumes; true if it was there.
pub(super) fn remove_container(engine: &Engine, id: &str, deadline: &Deadline) -> Result<bool, DriverError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    remove("remove container", id, deadline, || {
        engine.call(deadline, |docker| docker.remove_container(id, Some(options.clone())))
    })
}

/// Removes an image by its name; true if it was there.
pub(super) fn remove_image(engine: &Engine, name: &str, deadline: &Deadline) -> Result<bool, DriverError> {
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    remove("remove image", name, deadline, || {
        engine.call(deadline, |docker| docker.remove_image(name, Some(options.clone()), None)).map(drop)
    })
}

fn remove(
    operation: &'static str,
    id: &str,
    deadline: &Deadline,
    request: impl Fn() -> Result<(), CallError>,
) -> Result<bool, DriverError> {
    loop {
        match request() {
            Ok(()) => return Ok(true),
            Err(error) if error.is_status(404) => return Ok(false),
            // It is being removed already: the daemon continues a removal even if its client has ended.
            Err(error) if error.is_status(409) && error.to_string().contains("in progress") => {
                pause(AGAIN, deadline).map_err(|_| error.during(operation, id))?;
            }
            Err(error) => return Err(error.during(operation, id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Interrupt;
    use isotare_host::deadline_in;

    #[test]
    fn a_record_in_another_format_is_refused() {
        let deadline = deadline_in(Duration::from_secs(5), &Interrupt::default());
        for (what, id) in [
            (DAEMON, "/"),
            (DAEMON, "/run"),
            (DAEMON, "/var/lib/docker"),
            (DAEMON, "/run/isotare-docker-1-0/../../etc"),
            ("container", "unix:///no/d.sock#../images/x"),
            ("container", "unix:///no/d.sock#--x"),
            ("image", "unix:///no/d.sock#"),
            ("volume", "unix:///no/d.sock#a"),
        ] {
            let error = isotare_core::with_sources(&release(what, id, &deadline).expect_err(id));
            assert!(error.contains("no record of the driver docker"), "{error}");
        }
        assert!(is_folder(Path::new("/run/isotare-docker-1-0")) && is_image_name("isotare/s-1:0"));
    }
}
