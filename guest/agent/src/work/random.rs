//! The generator that sysbench uses too (xoroshiro128+), so that random tests spend the same on it.

#![expect(unsafe_code, reason = "a conversion without the test, which C does not have")]

/// State of one thread's generator.
pub struct Random([u64; 2]);

impl Random {
    /// A generator for this thread; the same number gives the same sequence.
    pub fn new(thread: u64) -> Self {
        // SplitMix64, as the generator's authors advise for seeding.
        let mut seed = thread.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = seed;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        };
        Self([next(), next()])
    }

    #[inline]
    fn next(&mut self) -> u64 {
        let [a, mut b] = self.0;
        let word = a.wrapping_add(b);
        b ^= a;
        self.0 = [a.rotate_left(55) ^ b ^ (b << 14), b.rotate_left(36)];
        word
    }

    /// A number below `limit`, by way of a double as in sysbench.
    #[inline]
    pub fn below(&mut self, limit: usize) -> usize {
        let unit = f64::from_bits(0x3ff0_0000_0000_0000 | (self.next() >> 12)) - 1.0;
        // A plain `as` would add a dozen instructions for values that cannot occur here, and sysbench's C has
        // none. SAFETY: a unit from 0 to below 1 times what fits, whatever its sign: finite, and it fits.
        let index: isize = unsafe { (unit * limit.cast_signed() as f64).to_int_unchecked() };
        index.unsigned_abs().min(limit.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_cover_their_range_and_are_reproducible() {
        let draw = |thread| {
            let mut random = Random::new(thread);
            (0..1000).map(|_| random.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
        for limit in [0, 1, 1 << 62, 1 << 63, usize::MAX] {
            let mut random = Random::new(0);
            assert!((0..1000).all(|_| random.below(limit) <= limit.saturating_sub(1)), "{limit}");
        }
        assert!((0..10).all(|n| draw(0).iter().filter(|&&drawn| drawn == n).count() > 50));
    }
}
