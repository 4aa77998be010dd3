//! The agent's only clock.

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, ns.
#[inline]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // The kernel never gives negative parts for this clock.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
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
