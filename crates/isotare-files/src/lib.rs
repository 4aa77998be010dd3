//! Opens files and folders that another user may have created or changed.
//!
//! Isotare often runs as root. A path that an instance, another user or a downloaded archive can change is
//! read with [`tail`], [`whole`] or [`regular()`]: no link is followed at its last name, only a regular file is
//! read, and only up to a limit. Paths that the user names are read in the same way, with [`named`],
//! [`Folder`] and [`stream`], but links that the user created are followed. A path whose content Isotare
//! *acts on* (records of resources, cached images) is opened with [`make_private`], [`check_private`] or
//! [`own_file`]: it must belong to the effective user and must not be writable by others.

mod owned;
mod regular;
mod remove;

pub use owned::{check_private, make_private, own_file};
pub use regular::{Folder, Links, log_tail, named, regular, stream, tail, whole};
pub use remove::{empty, remove_tree, remove_tree_at};
