//! Reads measurements of other tools into the form of sessions, so that they get the same statistics,
//! verdicts and warnings. Nothing is measured or invented here.
//!
//! ```
//! let text = "block,condition,metric,value,unit\n1,bare,time,1.00,s\n1,vm,time,1.10,s\n";
//! let (session, trials) = isotare_import::paired(text.as_bytes(), &isotare_import::Reading::default())?;
//! assert_eq!((session.plan.baseline.to_string().as_str(), trials.len()), ("bare", 2));
//! # Ok::<(), isotare_import::PairedError>(())
//! ```

mod documents;
mod grouping;
mod imported;
mod labels;
mod paired;
mod read;
mod run;
mod table;
mod text;
pub mod tools;
mod unit;

pub use imported::{ENVIRONMENT, ITERATION, Imported, NotComparable, imported};
pub use labels::{Labels, Manifest, Pattern, label};
pub use paired::{PairedError, Reading, paired};
pub use read::read;
pub use run::{Decoded, FileRead, Metric, Run, Status};
