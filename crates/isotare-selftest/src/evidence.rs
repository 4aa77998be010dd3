//! What every session of a self-test shows beside its estimates: clocks that keep time, facts that are known. Pure.

use isotare_report::{RECORDS, Report, Status};
use serde::Serialize;
use std::collections::BTreeSet;

/// A clock inside an instance may be off by so much, ppm.
pub const LIMIT_PPM: f64 = 100.0;

/// How well clocks inside kept time with the host's, over all trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Clocks {
    /// Trials whose clock was read.
    pub trials: usize,
    /// Largest deviation that the reading's own error cannot explain, ppm.
    pub worst_ppm: f64,
    /// Trials beyond [`LIMIT_PPM`].
    pub beyond: usize,
}

impl Clocks {
    /// Takes in the trials of a session.
    pub fn add(&mut self, report: &Report) {
        let clocks = report.trials.iter().filter_map(|trial| Some((trial.clock_rate?, trial.clock_bound?)));
        for (rate, bound) in clocks {
            let ppm = (((rate - 1.0).abs() - bound) * 1e6).max(0.0);
            self.trials += 1;
            self.worst_ppm = self.worst_ppm.max(ppm);
            self.beyond += usize::from(ppm > LIMIT_PPM);
        }
    }
}

/// Whether the ledgers hold every fact that a fair comparison needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Records {
    /// Facts that each environment must have.
    pub required: usize,
    /// Those that a ledger does not hold, not even as unknown: environment and fact.
    pub missing: BTreeSet<String>,
    /// Those that an environment could not tell: environment and fact.
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
