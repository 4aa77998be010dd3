//! Lab hosts: guests under software emulation with features that this machine does not have. Tests run in
//! them.
//!
//! A [`Lab`] says what is installed, what boots and what is run inside. [`Image::build`] makes its root file
//! system, once for each list of packages; [`run()`] boots it with the test programs on a second, read-only
//! disk and reads what they did from a serial line. Times in a lab are not meaningful: a lab shows that
//! something works, but not how fast it is.

mod description;
mod image;
mod known;
mod machine;
mod payload;
mod results;
mod run;

pub use description::{Boot, Lab, Step};
pub use image::{Image, missing};
pub use known::LABS;
pub use payload::Program;
pub use run::run;
