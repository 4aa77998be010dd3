//! The file that keeps sessions: journal while they run, index and export source afterwards. One SQLite database, no second
//! truth beside it.
//!
//! A trial is written in one transaction when it has ended, so that a session that is killed loses at most the trial under
//! way. The file is in WAL mode, and a trial is handed to the operating system without an fsync, which would disturb what
//! is measured: a crash of the process loses nothing, a power cut the last trials. The log is folded into the file when a
//! session finishes. The schema has a version; older files
//! are brought up to date when they are opened, newer ones are refused.
//!
//! ```no_run
//! # fn main() -> Result<(), isotare_store::StoreError> {
//! use isotare_store::Store;
//! let store = Store::open("isotare.db".as_ref())?;
//! for summary in store.sessions()? {
//!     println!("{} {} trials", summary.id, summary.trials);
//! }
//! let record = store.load("last")?;
//! # let _ = record; Ok(()) }
//! ```

mod error;
mod export;
mod log;
mod migrate;
mod open;
mod packed;
mod read;
mod space;
mod words;
mod write;

pub use error::StoreError;
pub use export::{ExportFormat, ExportScope, export};
pub use log::{LOG_LIMIT, LogLine};
pub use migrate::VERSION;
pub use open::Store;
pub use read::{Record, Summary};
pub use space::Usage;
