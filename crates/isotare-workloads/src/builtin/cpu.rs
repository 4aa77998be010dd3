//! `cpu`: trial division, as in sysbench.

use super::report::{self, EVENTS_PER_SECOND, invalid};
use super::schedule::{self, EVENTS, INTERVAL, THREADS, TIME, WARMUP};
use isotare_core::{
    Better, Image, Invalid, JobOutput, Kind as SettingKind, MetricDef, Present, Sample, SettingDef, Settings,
    Workload, WorkloadInfo,
};
use isotare_protocol::{Job, Kind};

/// Computing in registers and the first-level cache.
pub struct Cpu;

const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "max-prime",
        kind: SettingKind::Integer { min: 3, max: 1 << 31 },
        default: Some("10000"),
        help: "an event tests the numbers from 3 up to this number, which is not included",
    },
    THREADS,
    TIME,
    EVENTS,
    WARMUP,
    INTERVAL,
];

impl Workload for Cpu {
    fn name(&self) -> &str {
        "cpu"
    }

    fn summary(&self) -> &str {
        "prime numbers by trial division, like sysbench cpu"
    }

    fn settings(&self) -> &[SettingDef] {
        SETTINGS
    }

    fn metrics(&self) -> Vec<MetricDef> {
        report::metrics(&[MetricDef::headline(EVENTS_PER_SECOND, "1/s", Better::Higher)])
    }

    fn image(&self, _: &Settings, _: Present<'_>) -> Result<Image, String> {
        Ok(Image::default())
    }

    fn info(&self, settings: &Settings) -> WorkloadInfo {
        schedule::info(settings, [])
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        schedule::job(Kind::Cpu { max_prime: schedule::integer(settings, "max-prime")? }, settings)
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let job = self.job(settings).map_err(Invalid)?;
        let checked = report::check(output, &job, self.metrics())?;
        let expected = primes_below(schedule::integer(settings, "max-prime").map_err(Invalid)?);
        if checked.report.proof != expected {
            return invalid(format!("an event found {} primes instead of {expected}", checked.report.proof));
        }
        Ok(checked.into_samples())
    }
}

/// Odd primes below a number, with a sieve of odd numbers only. The agent uses another method, so this is an
/// independent check.
fn primes_below(limit: u64) -> u64 {
    let half = usize::try_from(limit / 2).unwrap_or(0);
    // Place i stands for 2i + 1.
    let mut composite = vec![false; half];
    let mut count = 0;
    for place in 1..half {
        if composite[place] {
            continue;
        }
        count += 1;
        let prime = 2 * place + 1;
        let mut multiple = (prime * prime) / 2;
        while multiple < half {
            composite[multiple] = true;
            multiple += prime;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_those_of_the_tables_but_for_the_number_two() {
        let counts = [(3, 0), (4, 1), (5, 1), (6, 2), (10, 3), (100, 24), (1000, 167), (10_000, 1228)];
        for (limit, count) in counts {
            assert_eq!(primes_below(limit), count, "{limit}");
        }
    }
}
