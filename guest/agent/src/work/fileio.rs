//! sysbench's `fileio`: events read, write and sync prepared files.
//!
//! Every sector of a file begins with a word made of its file and offset. Writes keep that pattern and reads
//! check it, so a read of wrong data is noticed. Random places are uniform (sysbench's default favours some).

use super::engine::{Event, Work};
use super::random::Random;
use isotare_protocol::{FileMode, FileioJob, Pattern};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const SECTOR: usize = 512;
/// Alignment that satisfies `O_DIRECT` on every device.
const ALIGNMENT: usize = 4096;
/// Bytes of one write while files are made.
const CHUNK: usize = 1 << 20;

/// The prepared files. Dropping it removes them.
pub struct Fileio {
    job: FileioJob,
    folder: PathBuf,
    files: Vec<File>,
    blocks_per_file: u64,
    block: usize,
    sequence: AtomicU64,
    operations: AtomicU64,
}

/// One thread's buffer and what it has done.
pub struct Worker {
    buffer: Aligned,
    random: Random,
    /// Files still to be synced by this thread before its next operation.
    syncs_due: usize,
    reads: u64,
    writes: u64,
}

impl Fileio {
    /// Makes the files, syncs them and opens them as the job wants. On an error nothing is left.
    pub fn prepare(job: &FileioJob, data: &Path, must_stop: &dyn Fn() -> bool) -> Result<Self, String> {
        let count = u64::from(job.files.max(1));
        let blocks_per_file = (job.total / count).checked_div(job.block).unwrap_or(0);
        let block = usize::try_from(job.block).unwrap_or(0);
        if blocks_per_file == 0 {
            return Err(format!(
                "with {} bytes in {count} files, a file is smaller than a block of {} bytes",
                job.total, job.block
            ));
        }
        if !block.is_multiple_of(SECTOR) {
            return Err(format!("a block of fileio has to be a multiple of {SECTOR} bytes, not {block}"));
        }
        let folder = data.join(format!("fileio.{}", std::process::id()));
        let failed = |error: io::Error| format!("prepare files in {}: {error}", folder.display());
        let mut made = Self {
            job: job.clone(),
            folder: folder.clone(),
            files: Vec::new(),
            blocks_per_file,
            block,
            sequence: AtomicU64::new(0),
            operations: AtomicU64::new(0),
        };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        for index in 0..count {
            made.fill(index, must_stop).map_err(failed)?;
        }
        for index in 0..count {
            made.files.push(made.open(index).map_err(failed)?);
        }
        Ok(made)
    }

    /// Removes the files.
    pub fn cleanup(self) -> Result<(), String> {
        std::fs::remove_dir_all(&self.folder).map_err(|e| format!("remove {}: {e}", self.folder.display()))
    }

    fn path(&self, file: u64) -> PathBuf {
        self.folder.join(file.to_string())
    }

    fn size(&self) -> u64 {
        self.blocks_per_file * self.job.block
    }

    fn fill(&self, index: u64, must_stop: &dyn Fn() -> bool) -> io::Result<()> {
        let file = File::create(self.path(index))?;
        let mut chunk = vec![0x5a; CHUNK];
        let mut offset = 0;
        while offset < self.size() {
            if must_stop() {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped by the host"));
            }
            let length = usize::try_from(self.size() - offset).unwrap_or(CHUNK).min(CHUNK);
            mark(&mut chunk[..length], index, offset);
            file.write_all_at(&chunk[..length], offset)?;
            offset += length as u64;
        }
        file.sync_all()
    }

    fn open(&self, index: u64) -> io::Result<File> {
        let flags = match self.job.pattern {
            Pattern::Buffered => 0,
            Pattern::Direct => libc::O_DIRECT,
            Pattern::Sync => libc::O_SYNC,
        };
        File::options().read(true).write(self.writes()).custom_flags(flags).open(self.path(index))
    }

    fn writes(&self) -> bool {
        !matches!(self.job.mode, FileMode::SeqRead | FileMode::RandomRead)
    }

    /// File and offset of the next operation.
    fn place(&self, random: &mut Random) -> (usize, u64) {
        let (file, block) = match self.job.mode {
            FileMode::SeqRead | FileMode::SeqWrite => {
                let next = self.sequence.fetch_add(1, Ordering::Relaxed);
                let file = next / self.blocks_per_file % self.files.len() as u64;
                (usize::try_from(file).unwrap_or(0), next % self.blocks_per_file)
            }
            FileMode::RandomRead | FileMode::RandomWrite | FileMode::RandomReadWrite => {
                let blocks = usize::try_from(self.blocks_per_file).unwrap_or(usize::MAX);
                (random.below(self.files.len()), random.below(blocks) as u64)
            }
        };
        (file, block * self.job.block)
    }

    fn is_read(&self, worker: &Worker) -> bool {
        match self.job.mode {
            FileMode::SeqRead | FileMode::RandomRead => true,
            FileMode::SeqWrite | FileMode::RandomWrite => false,
            FileMode::RandomReadWrite => {
                (worker.reads as f64) < self.job.read_write_ratio * (worker.writes as f64)
            }
        }
    }

    fn sync(&self, file: usize) -> Result<(), String> {
        self.files[file].sync_all().map_err(|e| format!("sync {}: {e}", self.path(file as u64).display()))
    }
}

impl Drop for Fileio {
    fn drop(&mut self) {
        // After a cleanup there is nothing left; after an error this is the best that can be done.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Work for Fileio {
    type Worker = Worker;

    fn worker(&self, random: Random) -> Result<Worker, String> {
        Ok(Worker { buffer: Aligned::new(self.block), random, syncs_due: 0, reads: 0, writes: 0 })
    }

    fn event(&self, worker: &mut Worker) -> Result<Event, String> {
        if let Some(due) = worker.syncs_due.checked_sub(1) {
            worker.syncs_due = due;
            self.sync(due)?;
            return Ok(Event { operations: [0, 0, 1], ..Event::default() });
        }
        let (file, offset) = self.place(&mut worker.random);
        let broke = |what: &str, e: io::Error| {
            format!("{what} {} bytes at {offset} of {}: {e}", self.block, self.path(file as u64).display())
        };
        let event = if self.is_read(worker) {
            worker.reads += 1;
            let block = worker.buffer.block();
            let read = self.files[file].read_at(block, offset).map_err(|e| broke("read", e))?;
            let wrong = read != block.len() || !is_marked(block, file as u64, offset);
            Event { read: read as u64, operations: [1, 0, 0], wrong, ..Event::default() }
        } else {
            worker.writes += 1;
            let block = worker.buffer.block();
            mark(block, file as u64, offset);
            let written = self.files[file].write_at(block, offset).map_err(|e| broke("write", e))?;
            let wrong = written != block.len();
            Event { written: written as u64, operations: [0, 1, 0], wrong, ..Event::default() }
        };
        if self.writes() && self.job.fsync_every > 0 {
            let done = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(u64::from(self.job.fsync_every)) {
                worker.syncs_due = self.files.len();
            }
        }
        Ok(event)
    }

    fn finish(&self) -> Result<Event, String> {
        if !self.writes() || !self.job.fsync_end {
            return Ok(Event::default());
        }
        for file in 0..self.files.len() {
            self.sync(file)?;
        }
        Ok(Event { operations: [0, 0, self.files.len() as u64], ..Event::default() })
    }
}

/// Word at the beginning of a sector.
fn pattern(file: u64, offset: u64) -> [u8; 8] {
    ((file << 48) ^ offset).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()
}

/// Writes every sector's word.
fn mark(block: &mut [u8], file: u64, offset: u64) {
    for (sector, at) in block.chunks_exact_mut(SECTOR).zip((offset..).step_by(SECTOR)) {
        sector[..8].copy_from_slice(&pattern(file, at));
    }
}

/// Whether the words of the first and the last sector are right.
fn is_marked(block: &[u8], file: u64, offset: u64) -> bool {
    let Some(last) = block.len().checked_sub(SECTOR) else { return false };
    block[..8] == pattern(file, offset) && block[last..last + 8] == pattern(file, offset + last as u64)
}

/// A buffer that `O_DIRECT` takes.
struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    fn new(length: usize) -> Self {
        let bytes = vec![0xa5; length + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { bytes, start, length }
    }

    fn block(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests;
