//! The host's clocks.

use isotare_core::{Deadline, Interrupt, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The one clock of every measurement: `CLOCK_MONOTONIC`, clock_gettime(2).
pub fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// CPU time that the calling thread has used: `CLOCK_THREAD_CPUTIME_ID`, clock_gettime(2).
pub fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A deadline this long from now.
pub fn deadline_in(time: Duration, interrupt: &Interrupt) -> Deadline {
    Deadline { at: now().plus(time), interrupt: interrupt.clone() }
}

/// The date and time of day in UTC: year, month, day, hour, minute, second. For names and records, never for
/// timing.
///
/// Days to civil date after Howard Hinnant, "chrono-compatible low-level date algorithms".
pub fn utc_now() -> [i64; 6] {
    let seconds = clock_gettime(ClockId::Realtime).tv_sec;
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    [year, month, day, rest / 3600, rest / 60 % 60, rest % 60]
}
