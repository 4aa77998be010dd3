//! `bubblewrap`: the sandbox of Flatpak, started for each instance.

mod command;
mod driver;

pub use driver::Bubblewrap;
