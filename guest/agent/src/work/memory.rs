//! sysbench's `memory`: an event reads or writes every word of a block, or as many random words.

#![expect(unsafe_code, reason = "accesses that the compiler must keep")]

use super::engine::{Event, Work};
use super::random::Random;
use isotare_protocol::{Access, MemoryJob, Operation};
use std::ptr;

const WORD: u64 = size_of::<usize>() as u64;

/// The settings, with the block as a count of words.
pub struct Memory {
    words: usize,
    bytes: u64,
    operation: Operation,
    access: Access,
}

/// One thread's block.
pub struct Block {
    words: Vec<usize>,
    random: Random,
}

/// Events that transfer `total` bytes: the last one may pass it, as in sysbench.
pub fn events_for(job: &MemoryJob) -> Option<u64> {
    (job.total > 0 && job.block > 0).then(|| job.total.div_ceil(job.block))
}

impl Memory {
    /// Checks the size of the block.
    pub fn prepare(job: &MemoryJob) -> Result<Self, String> {
        let words = usize::try_from(job.block / WORD).unwrap_or(0);
        if words == 0 || !job.block.is_multiple_of(WORD) {
            return Err(format!(
                "a memory block has to be a multiple of {WORD} bytes, not {} bytes",
                job.block
            ));
        }
        Ok(Self { words, bytes: job.block, operation: job.operation, access: job.access })
    }
}

impl Work for Memory {
    type Worker = Block;

    fn worker(&self, random: Random) -> Result<Block, String> {
        let mut words = Vec::new();
        words.try_reserve_exact(self.words).map_err(|e| format!("allocate {} bytes: {e}", self.bytes))?;
        // Written, so that no page is the shared zero page: word i holds its distance from the end.
        words.extend((0..self.words).map(|index| self.words - index));
        Ok(Block { words, random })
    }

    #[inline]
    fn event(&self, block: &mut Block) -> Result<Event, String> {
        let words = block.words.as_mut_slice();
        let right = match (self.operation, self.access) {
            (Operation::Write, Access::Sequential) => write_all(words),
            (Operation::Read, Access::Sequential) => read_all(words),
            (Operation::Write, Access::Random) => write_random(words, &mut block.random),
            (Operation::Read, Access::Random) => read_random(words, &mut block.random),
        };
        let (read, written) = match self.operation {
            Operation::Read => (self.bytes, 0),
            Operation::Write => (0, self.bytes),
        };
        Ok(Event { read, written, wrong: !right, ..Event::default() })
    }
}

// Each access is volatile, so that the compiler neither drops it nor makes wider ones of several: one word at
// a time is what sysbench does. Every function says whether what it last read is what it must be.

/// Keeps a loop from being unrolled: gcc leaves sysbench's loops as they are, and LLVM would do eight words a
/// turn.
#[inline(always)]
fn one_turn() {
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("", options(nomem, nostack, preserves_flags)) };
}

#[inline(never)]
fn write_all(words: &mut [usize]) -> bool {
    let length = words.len();
    for (index, word) in words.iter_mut().enumerate() {
        // SAFETY: a live exclusive reference.
        unsafe { ptr::write_volatile(word, length - index) };
        one_turn();
    }
    words.last() == Some(&1)
}

#[inline(never)]
fn read_all(words: &[usize]) -> bool {
    let mut last = 0;
    for word in words {
        // SAFETY: a live reference.
        last = unsafe { ptr::read_volatile(word) };
        one_turn();
    }
    last == 1
}

#[inline(never)]
fn write_random(words: &mut [usize], random: &mut Random) -> bool {
    let length = words.len();
    let mut last = 0;
    for _ in 0..length {
        last = random.below(length);
        // SAFETY: a live exclusive reference.
        unsafe { ptr::write_volatile(&mut words[last], length - last) };
    }
    words[last] == length - last
}

#[inline(never)]
fn read_random(words: &[usize], random: &mut Random) -> bool {
    let length = words.len();
    let (mut index, mut last) = (0, length);
    for _ in 0..length {
        index = random.below(length);
        // SAFETY: a live reference.
        last = unsafe { ptr::read_volatile(&words[index]) };
    }
    last == length - index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_access_reads_and_writes_correctly() {
        for operation in [Operation::Read, Operation::Write] {
            for access in [Access::Sequential, Access::Random] {
                let job = MemoryJob { block: 4096, total: 10_000, operation, access };
                let memory = Memory::prepare(&job).expect("valid");
                let mut block = memory.worker(Random::new(0)).expect("allocates");
                let event = memory.event(&mut block).expect("works");
                assert!(!event.wrong);
                assert_eq!(event.read + event.written, 4096);
                assert_eq!(events_for(&job), Some(3));
            }
        }
        let odd = MemoryJob { block: 4, total: 0, operation: Operation::Read, access: Access::Random };
        assert!(Memory::prepare(&odd).is_err());
        assert_eq!(events_for(&odd), None);
    }

    #[test]
    fn damaged_memory_is_noticed() {
        let mut words = vec![3, 2, 1];
        assert!(read_all(&words));
        words[2] = 9;
        assert!(!read_all(&words));
        assert!(write_all(&mut words));
    }
}
