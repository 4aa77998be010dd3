//! Removing instances, images and pools, by identity, and only those with our label.

use super::client::{CallError, Client};
use hyper::Method;
use isotare_core::{Deadline, DriverError, Resource, is_plain_name};
use isotare_host::pause;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Key of the label with the session's name; an instance's and a pool's configuration have room for `user.`
/// keys.
pub(super) const LABEL: &str = "user.isotare.session";
/// Property of an image with its name.
pub(super) const IMAGE_NAME: &str = "isotare";

/// Kind of a recorded thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Instance,
    Image,
    Pool,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Instance => "instance",
            What::Image => "image",
            What::Pool => "pool",
        }
    }
}

/// A thing of a daemon as a resource. Its identity contains the socket, because a later `clean` does not know
/// the settings.
pub(super) fn resource(what: What, driver: &str, socket: &Path, name: &str) -> Resource {
    Resource::Managed {
        driver: driver.to_owned(),
        what: what.word().to_owned(),
        id: format!("{}#{name}", socket.display()),
    }
}

/// Removes a recorded thing; true if it was there.
pub(super) fn release(what: &str, id: &str, deadline: &Deadline) -> Result<bool, DriverError> {
    let unknown = || DriverError::failed("remove", format!("{what} {id}"), "no record of this driver");
    let kinds = [What::Instance, What::Image, What::Pool];
    let what = kinds.into_iter().find(|kind| kind.word() == what).ok_or_else(unknown)?;
    // The name becomes a part of the path that the daemon is asked for.
    let (socket, name) = id
        .rsplit_once('#')
        .filter(|(socket, name)| Path::new(socket).is_absolute() && is_plain_name(name))
        .ok_or_else(unknown)?;
    let client = Client::new(socket.into())?;
    let removed = match what {
        What::Instance => labelled(&client, &instance(name), deadline)
            .and_then(|ours| if ours { remove_instance(&client, name, deadline) } else { Ok(false) }),
        What::Image => find_image(&client, name, deadline)
            .and_then(|found| found.map_or(Ok(false), |print| remove_image(&client, &print, deadline))),
        What::Pool => labelled(&client, &pool(name), deadline)
            .and_then(|ours| if ours { remove(&client, &pool(name), deadline) } else { Ok(false) }),
    };
    removed.map_err(|error| error.during("remove", format!("{} {name}", what.word())))
}

pub(super) fn instance(name: &str) -> String {
    format!("/1.0/instances/{name}")
}

pub(super) fn pool(name: &str) -> String {
    format!("/1.0/storage-pools/{name}")
}

fn labelled(client: &Client, path: &str, deadline: &Deadline) -> Result<bool, CallError> {
    match client.get(path, deadline) {
        Ok(found) => Ok(found["metadata"]["config"][LABEL].is_string()),
        Err(error) if error.is_absent() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The fingerprint of the image with this name.
fn find_image(client: &Client, name: &str, deadline: &Deadline) -> Result<Option<String>, CallError> {
    let images = client.get("/1.0/images?recursion=1", deadline)?;
    let ours = |image: &&Value| image["properties"][IMAGE_NAME] == name;
    let found = images["metadata"].as_array().and_then(|images| images.iter().find(ours));
    Ok(found.and_then(|image| image["fingerprint"].as_str()).map(str::to_owned))
}

/// Pause before the next try while an instance ends by itself and the daemon has not noticed it. There is no
/// event to wait for.
const AGAIN: Duration = Duration::from_millis(20);

/// Kills an instance in any state. If it has already ended, this still waits, because the daemon needs some
/// time to finish with it.
pub(super) fn halt(client: &Client, name: &str, deadline: &Deadline) -> Result<(), CallError> {
    let path = format!("{}/state", instance(name));
    let order = json!({"action": "stop", "force": true, "timeout": -1});
    loop {
        match client.act(Method::PUT, &path, Some(&order), deadline) {
            Ok(_) => return Ok(()),
            Err(error) if error.is_absent() => return Ok(()),
            Err(CallError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        // The daemon reports an instance that is just ending as stopped, and can fail with "Invalid PID".
        match client.get(&instance(name), deadline) {
            Ok(found) if found["metadata"]["status"] == "Stopped" => return Ok(()),
            Err(error) if error.is_absent() => return Ok(()),
            Ok(_) | Err(CallError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        pause(AGAIN, deadline)?;
    }
}

/// Kills and removes an instance; true if it was there.
pub(super) fn remove_instance(client: &Client, name: &str, deadline: &Deadline) -> Result<bool, CallError> {
    halt(client, name, deadline)?;
    remove(client, &instance(name), deadline)
}

/// Removes an image by its fingerprint; true if it was there.
pub(super) fn remove_image(client: &Client, print: &str, deadline: &Deadline) -> Result<bool, CallError> {
    remove(client, &format!("/1.0/images/{print}"), deadline)
}

/// Removes what is at this path of the API; true if it was there.
pub(super) fn remove(client: &Client, path: &str, deadline: &Deadline) -> Result<bool, CallError> {
    loop {
        match client.act(Method::DELETE, path, None, deadline) {
            Ok(_) => return Ok(true),
            Err(error) if error.is_absent() => return Ok(false),
            // It has just ended: LXD 5.0 reports it as stopped before it has finished with it.
            Err(CallError::Refused { message, .. }) if message.contains("is busy") => pause(AGAIN, deadline)?,
            Err(error) => return Err(error),
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
        for id in ["/s.sock#../images/x", "/s.sock#a?project=b", "relative#a", "/s.sock", "/s.sock#"] {
            let error = isotare_core::with_sources(&release("instance", id, &deadline).expect_err(id));
            assert!(error.contains("no record of this driver"), "{error}");
        }
    }
}
