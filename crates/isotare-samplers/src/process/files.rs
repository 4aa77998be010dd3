//! Reads files of processes with one buffer and one path, below a replaceable root.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::{Errno, read};
use std::fmt::Write;
use std::path::{Path, PathBuf};

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

    /// Seconds since boot.
    pub fn uptime(&mut self) -> Result<&[u8], Errno> {
        self.path.clear();
        self.path.push_str("uptime");
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

    fn read(&mut self) -> Result<&[u8], Errno> {
        let file = openat(&self.dir, self.path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut length = 0;
        loop {
            if length == self.buffer.len() {
                self.buffer.resize(length * 2, 0);
            }
            match read(&file, &mut self.buffer[length..])? {
                0 => return Ok(&self.buffer[..length]),
                more => length += more,
            }
        }
    }
}

fn ids(dir: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
