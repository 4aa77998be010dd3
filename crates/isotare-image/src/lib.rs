//! From an [`ImageReference`](isotare_core::ImageReference) to a tree on disk.
//!
//! An archive is unpacked once, into a cache, and never used half unpacked. Archives are not trusted: nothing in one can
//! make a file outside the tree that it becomes, nor read one, and it unpacks to no more than [`Limits`] say. Trees are shared by all instances and never written to.

mod cache;
mod debian;
mod docker;
mod error;
mod layer;
mod limits;
mod oci;
mod place;
mod resolve;
mod root;
mod source;

pub use cache::Cache;
pub use error::ImageError;
pub use limits::Limits;
pub use resolve::{Userland, resolve};
