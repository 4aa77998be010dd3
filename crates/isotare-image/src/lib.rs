//! From an [`ImageReference`](isotare_core::ImageReference) to a tree on disk.
//!
//! An archive is unpacked once, into a cache, and never used half unpacked. Archives are not trusted: nothing in one can
//! make a file outside the tree that it becomes, nor read one. Trees are shared by all instances and never written to.

mod cache;
mod debian;
mod docker;
mod error;
mod layer;
mod oci;
mod place;
mod resolve;
mod root;
mod source;

pub use cache::{Cache, cache_root};
pub use error::ImageError;
pub use resolve::{Userland, resolve};
