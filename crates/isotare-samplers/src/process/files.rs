//! Reads files of processes with one buffer and one path, below a replaceable root.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::{Errno, pread, read};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const HALF_PAGE: usize = 2048;

/// Access to `/proc`.
pub(crate) struct ProcFiles {
    dir: OwnedFd,
    root: PathBuf,
    path: String,
    buffer: Vec<u8>,
}

impl ProcFiles {
    /// Opens `proc` below `root`.
    pub fn open(root: &Path) -> Result<Self, Errno> {
        let root = root.join("proc");
        let dir = open(&root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { dir, root, path: String::new(), buffer: vec![0; 8192] })
    }

    /// A file of a process.
    pub fn of_process(&mut self, pid: u32, file: &str) -> Result<&[u8], Errno> {
        self.path.clear();
        let _ = write!(self.path, "{pid}/{file}");
        self.read()
    }

    /// A file of a thread.
    pub fn of_thread(&mut self, pid: u32, tid: u32, file: &str) -> Result<&[u8], Errno> {
        self.path.clear();
        let _ = write!(self.path, "{pid}/task/{tid}/{file}");
        self.read()
    }

    /// Ids of the threads of a process; none if it is gone.
    pub fn threads(&self, pid: u32) -> Vec<u32> {
        ids(&self.root.join(format!("{pid}/task")))
    }

    /// Ids of all processes.
    pub fn processes(&self) -> Vec<u32> {
        ids(&self.root)
    }

    /// A file that has nothing to do with one process, such as `stat`.
    pub fn of_host(&mut self, file: &str) -> Result<&[u8], Errno> {
        self.path.clear();
        self.path.push_str(file);
        self.read()
    }

    /// A file of a thread, to be read again and again with [`ProcFiles::again`].
    pub fn keep(&mut self, pid: u32, tid: u32, file: &str) -> Result<OwnedFd, Errno> {
        self.path.clear();
        let _ = write!(self.path, "{pid}/task/{tid}/{file}");
        openat(&self.dir, self.path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    }

    /// What a kept file says now. [`Errno::SRCH`] if its thread is gone; its number may be another's by then,
    /// the file is not.
    pub fn again(&mut self, file: &OwnedFd) -> Result<&[u8], Errno> {
        self.fill(|buffer, at| pread(file, buffer, at))
    }

    fn read(&mut self) -> Result<&[u8], Errno> {
        let file = openat(&self.dir, self.path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        self.fill(|buffer, _| read(&file, buffer))
    }

    /// Reads until there is no more. The kernel fills a page with whole records of a file (`seq_read_iter` in
    /// its fs/seq_file.c), so that less than half a page is the end where no record is longer, as in all
    /// these files.
    fn fill(&mut self, read: impl Fn(&mut [u8], u64) -> Result<usize, Errno>) -> Result<&[u8], Errno> {
        let mut length = 0;
        loop {
            if length == self.buffer.len() {
                self.buffer.resize(length * 2, 0);
            }
            match read(&mut self.buffer[length..], length as u64)? {
                more @ 0..HALF_PAGE => return Ok(&self.buffer[..length + more]),
                more => length += more,
            }
        }
    }
}

fn ids(dir: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
