//! Reads files of an image with a digest and a deadline, and decompresses them if necessary.

use crate::root::Root;
use isotare_core::{Deadline, Sha256};
use isotare_files::Links;
use isotare_host::{at, in_time};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::path::Path;

/// Reads to the end are refused beyond this for what has to fit into memory: manifests and configurations.
const MOST_TEXT: u64 = 16 << 20;

/// A reader that knows the SHA-256 of all that was read, and ends with an error at the deadline.
pub(crate) struct Hashed<'a, R> {
    inner: R,
    hasher: Sha256,
    deadline: &'a Deadline,
}

impl<'a, R: Read> Hashed<'a, R> {
    pub(crate) fn new(inner: R, deadline: &'a Deadline) -> Self {
        Self { inner, hasher: Sha256::default(), deadline }
    }

    /// Reads what is left and gives the digest of the whole.
    pub(crate) fn digest(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(text(self.hasher.hex()))
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        in_time(self.deadline).map_err(io::Error::other)?;
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Digest of bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    text(Sha256::of(bytes))
}

fn text(digits: String) -> String {
    format!("sha256:{digits}")
}

/// Opens a regular file of a tree or layout that another user may have created. Opening does not block.
pub(crate) fn regular(root: &Root, path: &Path) -> io::Result<File> {
    let opened = root.find(path, OFlags::PATH).map_err(io::Error::from).and_then(|found| {
        // The file of the descriptor is opened, even if another file has its name now: proc_pid_fd(5).
        let name = format!("/proc/self/fd/{}", found.as_raw_fd());
        isotare_files::regular(Path::new(&name), Links::Followed)
    });
    opened.map_err(at(path.display()))
}

/// A small file, whole.
pub(crate) fn read_text(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST_TEXT + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST_TEXT {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than 16 MiB, which is too large for a manifest",
        )),
        false => Ok(bytes),
    }
}

/// The content of a file that may be compressed. The first bytes show the compression.
pub(crate) fn plain<'r>(packed: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut packed = BufReader::with_capacity(1 << 16, packed);
    let start = packed.fill_buf()?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(packed)?),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            return Err(io::Error::other("it is compressed with xz, which is not supported"));
        }
        [b'B', b'Z', b'h', ..] => {
            return Err(io::Error::other("it is compressed with bzip2, which is not supported"));
        }
        _ => Box::new(packed),
    })
}
