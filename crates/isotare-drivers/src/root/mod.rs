//! Root file systems: a [`Tree`] that all instances of an environment share, and an overlay on it for each.

mod archive;
mod control;
mod copy;
mod host;
mod mounted;
mod overlay;
mod tree;

pub(crate) use archive::archive;
pub(crate) use control::{SOCKET, bind_socket, locked, socket_inside};
pub(crate) use copy::copy_tree;
pub(crate) use host::closed;
pub(crate) use mounted::MountedRoot;
pub(crate) use overlay::options;
pub(crate) use tree::Tree;
