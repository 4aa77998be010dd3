//! The agent's only clock.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// `CLOCK_MONOTONIC`, ns.
#[inline]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // The kernel never gives negative parts for this clock.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Sleeps until the clock has this value, ns.
pub fn sleep_until(at_ns: u64) {
    let part = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    let at = Timespec { tv_sec: part(at_ns / 1_000_000_000), tv_nsec: part(at_ns % 1_000_000_000) };
    while now_ns() < at_ns {
        // An interruption by a signal is the only error of a valid time.
        let _interrupted = clock_nanosleep_absolute(ClockId::Monotonic, &at);
    }
}

/// Mean cost of one reading, ns.
pub fn cost_ns() -> f64 {
    const READINGS: u32 = 10_000;
    let start = now_ns();
    for _ in 0..READINGS {
        std::hint::black_box(now_ns());
    }
    (now_ns() - start) as f64 / f64::from(READINGS)
}
