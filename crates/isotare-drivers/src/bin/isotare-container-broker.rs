//! Only a container broker, for test programs whose `main` belongs to a test harness.

use std::process::ExitCode;

fn main() -> ExitCode {
    isotare_drivers::helper_process().unwrap_or(ExitCode::FAILURE)
}
