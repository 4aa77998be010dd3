//! An image in the daemon's store.

use super::engine::Engine;
use super::removal::{SESSION_LABEL, What, remove_image, resource};
use crate::root::archive;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::{TryStreamExt, stream};
use isotare_core::{DriverError, Image, Interrupt, PrepareContext};
use isotare_host::deadline_in;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Pieces in which an image is sent.
const CHUNK: usize = 1 << 20;
/// Longest time that removing it may take.
const REMOVAL: Duration = Duration::from_secs(20);

/// Makes the names of the images of one session's environments different.
static IMAGES: AtomicU32 = AtomicU32::new(0);

/// An imported image. Dropping it removes it.
pub(super) struct Imported {
    engine: Arc<Engine>,
    /// Repository and tag.
    pub(super) name: String,
}

impl Imported {
    /// Imports the image, completed with the agent and the folders of a root.
    pub(super) fn new(
        engine: Arc<Engine>,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let repository = repository(cx.session);
        let tag = IMAGES.fetch_add(1, Ordering::Relaxed).to_string();
        let name = format!("{repository}:{tag}");
        let path = archive(image, true, cx)?;
        let about =
            |what, error: std::io::Error| DriverError::failed(what, path.display().to_string(), error);
        let archive = File::open(&path).map_err(|error| about("read image", error))?;
        std::fs::remove_file(&path).map_err(|error| about("remove", error))?;
        cx.ledger
            .record(&resource(What::Image, &engine.address, &name))
            .map_err(|error| DriverError::failed("record image", &name, error))?;
        let imported = Self { engine, name };
        imported.send(archive, &repository, &tag, cx)?;
        Ok(imported)
    }

    fn send(
        &self,
        mut archive: File,
        repository: &str,
        tag: &str,
        cx: &PrepareContext<'_>,
    ) -> Result<(), DriverError> {
        let pieces = std::iter::from_fn(move || {
            let mut piece = Vec::with_capacity(CHUNK);
            match (&mut archive).take(CHUNK as u64).read_to_end(&mut piece) {
                Ok(0) => None,
                Ok(_) => Some(Ok(piece.into())),
                Err(error) => Some(Err(error)),
            }
        });
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(repository)
            .tag(tag)
            .changes(vec![format!("LABEL {SESSION_LABEL}={}", cx.session)])
            .build();
        self.engine
            .call(&cx.deadline, |docker| {
                let body = bollard::body_try_stream(stream::iter(pieces));
                docker.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>()
            })
            .map_err(|error| error.during("import image", &self.name))?;
        Ok(())
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        // This also runs after an interrupt. What cannot be removed now stays recorded in the ledger.
        let deadline = deadline_in(REMOVAL, &Interrupt::default());
        let _recorded = remove_image(&self.engine, &self.name, &deadline);
    }
}

/// A repository name with the session in it: lower-case letters and digits with single separators, as the
/// distribution specification has it.
fn repository(session: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let session: String = session.chars().map(safe).collect();
    format!("isotare/{}", session.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_makes_a_repository_name_that_docker_takes() {
        assert_eq!(repository("20261121T045038-aB3_x."), "isotare/20261121t045038-ab3-x");
    }
}
