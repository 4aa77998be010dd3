//! sysbench's `cpu`: an event counts the primes from 3 to below a limit by trial division.

use super::engine::{Event, Work};
use super::random::Random;
use std::hint::black_box;

/// The limit, and what each event must find.
pub struct Cpu {
    max_prime: u64,
    expected: u64,
}

/// Above this, a divisor could not be a `u32`, and one event would take minutes.
const LARGEST: u64 = 1 << 31;

impl Cpu {
    /// Finds out, by the sieve, what each event must count.
    pub fn prepare(max_prime: u64) -> Result<Self, String> {
        match max_prime {
            3..=LARGEST => Ok(Self { max_prime, expected: sieve(max_prime) }),
            _ => Err(format!("max_prime of the cpu workload has to be from 3 to {LARGEST}, not {max_prime}")),
        }
    }
}

impl Work for Cpu {
    type Worker = ();

    fn worker(&self, _: Random) -> Result<(), String> {
        Ok(())
    }

    #[inline]
    fn event(&self, (): &mut ()) -> Result<Event, String> {
        let found = count_primes(black_box(self.max_prime));
        Ok(Event { proof: found, wrong: found != self.expected, ..Event::default() })
    }
}

/// Numbers from 3 to below `max_prime` that no number up to their square root divides.
///
/// The instructions are those of sysbench 1.0.20 as Debian builds it, so that results agree: the square root
/// with its test of the sign, the comparison in doubles, the division of 64-bit words, and the parity test
/// that stands for a division by 2.
#[inline(never)]
fn count_primes(max_prime: u64) -> u64 {
    let mut primes = 0;
    for number in 3..max_prime {
        let root = square_root(number);
        if is_prime(number, root) {
            primes += 1;
        }
    }
    primes
}

/// C's `sqrt`, which looks for a negative argument first.
#[inline(always)]
fn square_root(number: u64) -> f64 {
    #[expect(clippy::cast_possible_wrap, reason = "below 2^31; signed, the conversion is one instruction")]
    let argument = number as i64 as f64;
    if 0.0 > argument { square_root_of_negative(argument) } else { argument.sqrt() }
}

#[cold]
#[inline(never)]
fn square_root_of_negative(argument: f64) -> f64 {
    argument.sqrt()
}

#[inline(always)]
#[expect(unsafe_code, reason = "the division of a machine word")]
fn is_prime(number: u64, root: f64) -> bool {
    debug_assert!(number > 2, "{number} is below the first divisor");
    if root >= 2.0 && number & 1 == 0 {
        return false;
    }
    let mut divisor: u64 = 3;
    while as_double(divisor) <= root {
        // SAFETY: it begins with 3 and goes up by 1, not beyond the number, which divides itself.
        if unsafe { remainder(number, divisor) } == 0 {
            return false;
        }
        divisor = divisor.wrapping_add(1);
    }
    true
}

/// A word as a double the way gcc does it: a test of the sign, then one instruction for what is not beyond
/// 2^63. LLVM's own conversion has no branch and more instructions; without the test the loop is 2 % faster
/// than sysbench's.
#[inline(always)]
fn as_double(word: u64) -> f64 {
    match i64::try_from(word) {
        Ok(word) => word as f64,
        Err(_) => beyond_signed(word),
    }
}

#[cold]
#[inline(never)]
fn beyond_signed(word: u64) -> f64 {
    word as f64
}

/// `a % b` by the 64-bit division.
///
/// LLVM puts a test and a 32-bit division before each 64-bit one, where gcc, which built sysbench, does not.
///
/// # Safety
///
/// `b` is not zero: the processor would end the program.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "one instruction")]
unsafe fn remainder(a: u64, b: u64) -> u64 {
    debug_assert_ne!(b, 0);
    let rest;
    // SAFETY: registers only. `b` is not zero, as the caller promises, and the upper half of the dividend is,
    // so the quotient fits.
    unsafe {
        std::arch::asm!("xor edx, edx", "div {b}", b = in(reg) b, inout("rax") a => _, out("rdx") rest,
            options(pure, nomem, nostack));
    }
    rest
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
#[expect(unsafe_code, reason = "as above")]
unsafe fn remainder(a: u64, b: u64) -> u64 {
    a % b
}

/// The same count by the sieve of Eratosthenes.
fn sieve(max_prime: u64) -> u64 {
    let length = usize::try_from(max_prime).unwrap_or(0);
    let mut composite = vec![false; length];
    let mut primes = 0;
    for number in 2..length {
        if composite[number] {
            continue;
        }
        primes += u64::from(number > 2);
        for multiple in (number.saturating_mul(number)..length).step_by(number) {
            composite[multiple] = true;
        }
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trial_division_and_sieve_agree() {
        for limit in (3..200).chain([1009, 1010, 10_000]) {
            assert_eq!(count_primes(limit), sieve(limit), "{limit}");
        }
        assert_eq!(sieve(10_000), 1228, "1229 primes up to 10000 but for the number 2");
        assert!(Cpu::prepare(2).is_err());
    }
}
