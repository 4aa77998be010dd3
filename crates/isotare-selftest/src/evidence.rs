//! Results of a self-test besides the estimates: whether the clocks are right, and whether all facts are
//! known.

use isotare_core::Outcome;
use isotare_report::{RECORDS, Report, Status};
use serde::Serialize;
use std::collections::BTreeSet;

/// Allowed error of a clock inside an instance, ppm.
pub const LIMIT_PPM: f64 = 100.0;

/// How well the clocks inside instances agreed with the host's, over all trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Clocks {
    /// Trials whose clock was read.
    pub trials: usize,
    /// The largest difference between the clocks, minus the part that the errors of the readings can explain,
    /// in ppm of the trial's length.
    pub worst_ppm: f64,
    /// Trials beyond [`LIMIT_PPM`].
    pub beyond: usize,
    /// Of these, the ones that were refused.
    pub refused: usize,
}

impl Clocks {
    /// Takes in the trials of a session.
    pub fn add(&mut self, report: &Report) {
        for (trial, strayed) in report.trials.iter().filter_map(|trial| Some((trial, trial.clock_strayed?))) {
            let ppm = strayed.abs() * 1e6;
            let is_beyond = ppm > LIMIT_PPM;
            self.trials += 1;
            self.worst_ppm = self.worst_ppm.max(ppm);
            self.beyond += usize::from(is_beyond);
            self.refused += usize::from(is_beyond && trial.outcome != Outcome::Completed);
        }
    }
}

/// Whether the ledgers contain every fact that a fair comparison needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Records {
    /// Facts that each environment must have.
    pub required: usize,
    /// Facts that are missing in a ledger, not even recorded as unknown: environment and fact.
    pub missing: BTreeSet<String>,
    /// Facts that an environment does not know: environment and fact.
    pub unknown: BTreeSet<String>,
}

impl Records {
    /// Takes in the ledger of a session.
    pub fn add(&mut self, report: &Report) {
        self.required = RECORDS.len();
        let measured = report.environments.iter().filter(|status| status.status == Status::Measured);
        for environment in measured.map(|status| &status.environment) {
            for record in RECORDS {
                let differs = report.ledger.differs.iter().find(|row| row.fact == record);
                let value = report
                    .ledger
                    .same
                    .get(record)
                    .or_else(|| differs.and_then(|row| row.values.get(environment)));
                match value.map(String::as_str) {
                    None => self.missing.insert(format!("{environment}: {record}")),
                    Some("unknown") => self.unknown.insert(format!("{environment}: {record}")),
                    Some(_) => continue,
                };
            }
        }
    }
}
