//! Opening files and folders that somebody else may have made or changed.
//!
//! Isotare often runs as root. A path that an instance, another user or a downloaded archive can change is read with
//! [`tail`], [`whole`] or [`regular()`]: no link is followed at its last name, only a regular file is read, and only up to a
//! limit. So is what the user names, with [`named`], [`Folder`] and [`stream`]; there, a link of their own is followed. A path whose content Isotare *acts on* (records of resources, cached images) is opened with [`make_private`],
//! [`check_private`] or [`own_file`]: it must belong to the effective user and nobody else may write to it.

mod owned;
mod regular;
mod remove;

pub use owned::{check_private, make_private, own_file};
pub use regular::{Folder, Links, log_tail, named, regular, stream, tail, whole};
pub use remove::{empty, remove_tree, remove_tree_at};
