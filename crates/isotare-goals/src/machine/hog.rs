//! Noise on the machine that can be switched on and off: spinning, filling the caches, writing to the disk.

use anyhow::{Context, Result};
use std::fs::File;
use std::hint::black_box;
use std::io::{Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes that one thread walks through, more than the caches of most machines hold.
const WALKED: usize = 128 << 20;
/// Bytes of one write to the disk.
const WRITTEN: usize = 4 << 20;

/// A kind of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Threads that compute.
    Spinners,
    /// Threads that walk through memory.
    Memory,
    /// A thread that writes and syncs a file.
    Files,
}

/// Noise that is off until it is switched on, and gone when it is dropped.
pub struct Hog {
    is_on: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Hog {
    /// One thread for each processor, but one in all for the disk.
    pub fn new(kind: Kind) -> Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (is_on, stop) = (Arc::default(), Arc::default());
        let mut hog = Self { is_on, stop, threads: Vec::new() };
        for _ in 0..if kind == Kind::Files { 1 } else { processors } {
            let mut turn = turn(kind)?;
            let (is_on, stop) = (Arc::clone(&hog.is_on), Arc::clone(&hog.stop));
            hog.threads.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    match is_on.load(Ordering::Relaxed) {
                        true => turn(),
                        false => std::thread::sleep(Duration::from_millis(5)),
                    }
                }
            }));
        }
        Ok(hog)
    }

    /// Switches it on or off.
    pub fn switch(&self, on: bool) {
        self.is_on.store(on, Ordering::Relaxed);
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that panicked has stopped as well.
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// A stretch of noise of some milliseconds.
fn turn(kind: Kind) -> Result<Box<dyn FnMut() + Send>> {
    Ok(match kind {
        Kind::Spinners => Box::new(|| {
            (0..1_000_000_u32).for_each(|n| {
                black_box(n);
            });
        }),
        Kind::Memory => {
            let mut bytes = vec![1_u8; WALKED];
            let mut at = 0;
            Box::new(move || {
                // A line of the cache at a time.
                for _ in 0..50_000 {
                    at = (at + 64) % WALKED;
                    bytes[at] = bytes[at].wrapping_add(1);
                }
                black_box(&bytes);
            })
        }
        Kind::Files => {
            let mut file: File = tempfile::tempfile_in("/var/tmp").context("make a file to write to")?;
            let block = vec![7; WRITTEN];
            Box::new(move || {
                // A full disk makes no noise; nothing else depends on it.
                let _full =
                    file.rewind().and_then(|()| file.write_all(&block)).and_then(|()| file.sync_data());
            })
        }
    })
}
