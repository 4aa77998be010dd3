//! The rate of the host's time-stamp counter.

use isotare_core::Timestamp;
use isotare_host::now;
use std::time::Duration;

/// Time between the two readings. Each reading is good to some tens of ns, so this gives about one part per
/// million.
const WINDOW: Duration = Duration::from_millis(200);
/// Readings at each end; the one least disturbed counts.
const ATTEMPTS: usize = 64;

/// Measures the rate of the counter, kHz, with the clock that all measurements use. An error of this rate
/// becomes an error of an emulated guest's clock. `None` if there is no such counter.
pub(crate) fn measure_khz() -> Option<u64> {
    let (first, begin) = read()?;
    std::thread::sleep(WINDOW);
    let (last, end) = read()?;
    let nanos = end.since(begin).as_nanos().max(1);
    let ticks = u128::from(last.checked_sub(first)?) * 1_000_000;
    u64::try_from((ticks + nanos / 2) / nanos).ok()
}

/// The parameters of an emulated guest's kernel, whose counter is the host's. They contain the rate, because
/// calibrating under emulation is easily disturbed.
pub(crate) fn parameters(khz: Option<u64>) -> String {
    let rate = khz.map(|khz| format!(" tsc_early_khz={khz}")).unwrap_or_default();
    format!("tsc=reliable{rate}")
}

/// The counter at a moment: the clock's reading between the two of the counter that are closest together.
fn read() -> Option<(u64, Timestamp)> {
    let mut best: Option<(u64, u64, Timestamp)> = None;
    for _ in 0..ATTEMPTS {
        let before = counter()?;
        let moment = now();
        let width = counter()?.saturating_sub(before);
        if best.is_none_or(|(least, ..)| width < least) {
            best = Some((width, before + width / 2, moment));
        }
    }
    best.map(|(_, counter, moment)| (counter, moment))
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "an instruction")]
fn counter() -> Option<u64> {
    // SAFETY: reads a register that every x86-64 processor has; nothing else is touched.
    Some(unsafe { core::arch::x86_64::_rdtsc() })
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> Option<u64> {
    None
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    #[test]
    fn two_measurements_of_the_rate_agree() {
        let rates = [super::measure_khz().expect("a counter"), super::measure_khz().expect("a counter")];
        assert!(rates.iter().all(|rate| (100_000..10_000_000).contains(rate)), "{rates:?}");
        assert!(rates[0].abs_diff(rates[1]) * 10_000 < rates[0], "within 100 ppm: {rates:?}");
    }
}
