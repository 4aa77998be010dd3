//! From an [`ImageReference`](isotare_core::ImageReference) to a tree on disk.
//!
//! An archive is unpacked once, into a cache, and is used only after it is complete. Archives are not
//! trusted: an archive cannot create or read a file outside its tree, and its unpacked size is bounded by
//! [`Limits`]. All instances share a tree, and it is never written to.

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
