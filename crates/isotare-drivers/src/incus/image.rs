//! An image in the daemon's store, and the storage pool for its instances.

use super::client::Client;
use super::removal::{IMAGE_NAME, LABEL, What, pool, remove, remove_image, resource};
use crate::root::Tree;
use hyper::Method;
use isotare_core::{Cause, DriverError, Image, Interrupt, PrepareContext};
use isotare_host::{deadline_in, find_program, output_of};
use serde_json::json;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longest time that removing an image or a pool may take.
const REMOVAL: Duration = Duration::from_secs(20);

/// Makes the names of one session's environments different.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name for the driver, which takes hosts' names: letters, digits and hyphens, no digit first.
pub(super) fn host_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("isotare-{}", name.chars().map(safe).collect::<String>().trim_matches('-'))
}

/// An imported image. Dropping it removes it.
pub(super) struct Imported {
    client: Arc<Client>,
    pub(super) fingerprint: String,
}

impl Imported {
    /// Imports the image as one archive of metadata and root file system (a "unified" image).
    pub(super) fn new(
        client: Arc<Client>,
        driver: &str,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        // The name also makes equal images of two environments different, which the daemon requires.
        let name = host_name(&format!("{}-{}", cx.session, NUMBER.fetch_add(1, Ordering::Relaxed)));
        let archive = archive(&name, image, cx)?;
        let about = |what, error: std::io::Error| DriverError::failed(what, &name, error);
        let file = File::open(&archive).map_err(|e| about("read image", e))?;
        fs::remove_file(&archive).map_err(|e| about("remove archive of image", e))?;
        cx.ledger
            .record(&resource(What::Image, driver, &client.socket, &name))
            .map_err(|e| about("record image", e))?;
        let made = client
            .upload("/1.0/images", file, &cx.deadline)
            .map_err(|error| error.during("import image", &name))?;
        let fingerprint = made["fingerprint"].as_str().ok_or_else(|| {
            DriverError::failed("import image", &name, format!("there is no fingerprint in {made}"))
        })?;
        Ok(Self { client, fingerprint: fingerprint.to_owned() })
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        // This also runs after an interrupt. What cannot be removed now stays recorded in the ledger.
        let deadline = deadline_in(REMOVAL, &Interrupt::default());
        let _recorded = remove_image(&self.client, &self.fingerprint, &deadline);
    }
}

fn archive(name: &str, image: &Image, cx: &PrepareContext<'_>) -> Result<PathBuf, DriverError> {
    let failed = |error: Cause| DriverError::failed("write image", name, error);
    let tree = Tree::lay_out(image, cx)?;
    let (metadata, path) = (cx.work.join("metadata.yaml"), cx.work.join("image.tar"));
    let architecture = std::env::consts::ARCH;
    fs::write(
        &metadata,
        format!("architecture: {architecture}\ncreation_date: 1\nproperties:\n  {IMAGE_NAME}: {name}\n"),
    )
    .map_err(|e| failed(e.into()))?;
    let tar = find_program("tar").ok_or_else(|| failed("the program tar is not installed".into()))?;
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    // Links' targets stay as they are (flag S).
    let mut arguments =
        ["--create", "--numeric-owner", "--xattrs", "--transform", "s,^\\.,rootfs,S", "--file"]
            .map(str::to_owned)
            .to_vec();
    arguments.extend([text(&path), "--directory".to_owned(), text(cx.work), "metadata.yaml".to_owned()]);
    // Unpacking takes the last of two files with the same name.
    for layer in tree.to_copy()?.iter().rev() {
        arguments.extend(["--directory".to_owned(), text(layer), ".".to_owned()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = output_of(&tar, &arguments, &cx.deadline).map_err(|e| e.during("write image", name))?;
    match output.status.success() {
        true => Ok(path),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().into())),
    }
}

/// A storage pool for instances: an existing one, or a private one, which is removed when this is dropped.
pub(super) struct Pool {
    client: Arc<Client>,
    pub(super) name: String,
    ours: bool,
}

impl Pool {
    /// Uses the pool of this name.
    pub(super) fn named(client: Arc<Client>, name: &str) -> Self {
        Self { client, name: name.to_owned(), ours: false }
    }

    /// Makes one of this storage driver: `dir` in the work folder, all others where the daemon makes them.
    pub(super) fn new(
        client: Arc<Client>,
        driver: &str,
        storage: &str,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let name = host_name(&format!("{}-{}", cx.session, NUMBER.fetch_add(1, Ordering::Relaxed)));
        let failed = |what, error: Cause| DriverError::failed(what, &name, error);
        let mut config = json!({LABEL: cx.session});
        if storage == "dir" {
            let source = cx.work.join("pool");
            fs::create_dir(&source).map_err(|e| failed("make folder of pool", e.into()))?;
            config["source"] = json!(source);
        }
        cx.ledger
            .record(&resource(What::Pool, driver, &client.socket, &name))
            .map_err(|e| failed("record pool", e.into()))?;
        let made = Self { client, name: name.clone(), ours: true };
        let order = json!({"name": name, "driver": storage, "config": config});
        made.client
            .act(Method::POST, "/1.0/storage-pools", Some(&order), &cx.deadline)
            .map_err(|error| error.during("make pool", &name))?;
        Ok(made)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.ours {
            let deadline = deadline_in(REMOVAL, &Interrupt::default());
            let _recorded = remove(&self.client, &pool(&self.name), &deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_instances_are_valid_host_names() {
        assert_eq!(host_name("20261121T045038-aB3_x.t0"), "isotare-20261121T045038-aB3-x-t0");
    }
}
