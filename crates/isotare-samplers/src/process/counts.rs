//! The counters of one process, as one value to add and subtract.

use std::ops::{Index, IndexMut};

/// A counter, in the order of the sampler's metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// Ticks in user mode, guests included.
    User,
    /// Ticks in the kernel.
    System,
    /// Ticks in guests; part of `User`.
    Guest,
    /// Faults without I/O.
    Minor,
    /// Faults with I/O.
    Major,
    /// Bytes read from storage.
    Read,
    /// Bytes written to storage.
    Write,
    /// Bytes of those that were dropped before they reached it.
    Cancelled,
    /// Switches because it waited.
    Voluntary,
    /// Switches because another's turn came.
    Involuntary,
    /// Time on a run queue, ns.
    RunDelay,
}

const LENGTH: usize = 11;

/// One value of each [`Counter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts([u64; LENGTH]);

impl Counts {
    fn zip(self, other: Self, operation: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|i| operation(self.0[i], other.0[i])))
    }

    pub fn plus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// The difference; zero where `other` is larger.
    pub fn minus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }

    pub fn min(self, other: Self) -> Self {
        self.zip(other, u64::min)
    }

    pub fn max(self, other: Self) -> Self {
        self.zip(other, u64::max)
    }
}

impl Index<Counter> for Counts {
    type Output = u64;
    fn index(&self, counter: Counter) -> &u64 {
        &self.0[counter as usize]
    }
}

impl IndexMut<Counter> for Counts {
    fn index_mut(&mut self, counter: Counter) -> &mut u64 {
        &mut self.0[counter as usize]
    }
}
