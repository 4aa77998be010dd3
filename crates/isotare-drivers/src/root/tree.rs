//! What the instances of an environment share: the image, the agent, and the folders to mount on.

use super::host::HostView;
use super::{copy_tree, socket_inside};
use crate::sparse::until;
use isotare_core::{
    AGENT_PATH, Base, CONTROL_DIR, DATA_DIR, DriverError, Image, PrepareContext, Source, Unavailable,
};
use isotare_host::{WaitError, lay_out};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A root file system in layers, the topmost first. Nothing is ever written to it.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// For the `lowerdir` of an overlay.
    pub(crate) lowers: Vec<PathBuf>,
    /// Mounted as long as it is among them.
    host: Option<Arc<HostView>>,
}

impl Tree {
    /// Lays the image's own files out in the environment's folder, which its owner removes, and puts them on
    /// its base.
    pub(crate) fn lay_out(image: &Image, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let folder = cx.work.join("lower");
        // Steps that can be refused come first, so that nothing is left after a failure.
        let host = match &image.base {
            Base::Host => Some(Arc::new(HostView::mount(cx)?)),
            Base::Empty | Base::Tree(_) => None,
        };
        let mut files = image.clone();
        // Missing mount points would be created in each instance's writable layer, in every trial.
        for (path, mode) in [("/proc", 0o555), ("/sys", 0o555), ("/dev", 0o755), ("/tmp", 0o1777)] {
            files.add(Path::new(path), Source::Folder, mode);
        }
        for path in [CONTROL_DIR, DATA_DIR] {
            files.add(Path::new(path), Source::Folder, 0o755);
        }
        // The place of the socket, if a runtime gets only the socket.
        files.add(&socket_inside(), Source::Bytes(Arc::from([])), 0o600);
        files.add(Path::new(AGENT_PATH), Source::Host(cx.agent.to_owned()), 0o755);
        std::fs::create_dir_all(&folder)
            .and_then(|()| lay_out(&files, &folder))
            .map_err(|e| DriverError::failed("lay out image below", cx.work.display().to_string(), e))?;
        let mut lowers = vec![folder];
        match (&image.base, &host) {
            (Base::Tree(tree), _) => lowers.push(tree.clone()),
            (_, Some(view)) => lowers.push(view.path().to_owned()),
            (_, None) => {}
        }
        Ok(Self { lowers, host })
    }

    /// The layers, for whoever copies them. The host's userland is too large for that.
    pub(crate) fn to_copy(&self) -> Result<&[PathBuf], DriverError> {
        match self.host {
            None => Ok(&self.lowers),
            Some(_) => {
                let remedy = "choose a root that shows it (an overlay, 9p or virtiofs), or an image with a file \
                              tree, such as debian or dir:PATH";
                Err(Unavailable::new("the host's userland is not copied into a root", remedy).into())
            }
        }
    }

    /// The same as one tree, for roots that are not an overlay: several layers are copied into one.
    pub(crate) fn flat(self, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        if self.lowers.len() == 1 {
            return Ok(self);
        }
        let flat = cx.work.join("flat");
        for lower in self.to_copy()?.iter().rev() {
            copy_tree(lower, &flat, &until(&cx.deadline))
                .map_err(|e| WaitError::from_io(e).during("copy image to", flat.display().to_string()))?;
        }
        Ok(Self { lowers: vec![flat], host: None })
    }
}
