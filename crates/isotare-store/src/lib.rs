//! The file that stores sessions. It is the journal while they run, and the source of reports and exports
//! afterwards. It is one SQLite database, and there is no second copy of the data.
//!
//! A trial is written in one transaction when it has ended, so a session that is killed loses at most the
//! running trial. The file is in WAL mode. A trial is written without an fsync, which would disturb the
//! measurement. A crash of the process loses nothing; a power failure can lose the last trials. The log is
//! merged into the file when a session ends. The schema has a version; older files are brought up to date
//! when they are opened, newer ones are refused.
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

pub use error::{SqliteError, StoreError};
pub use export::{ExportFormat, ExportScope, export};
pub use log::{LOG_LIMIT, LogLine};
pub use migrate::VERSION;
pub use open::Store;
pub use read::{Record, Summary};
pub use space::Usage;
