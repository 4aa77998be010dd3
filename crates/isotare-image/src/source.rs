//! Files of an image, read with a digest and a deadline, and unpacked where they are packed.

use isotare_core::Deadline;
use isotare_host::now;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

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
        Self { inner, hasher: Sha256::new(), deadline }
    }

    /// Reads what is left and gives the digest of the whole.
    pub(crate) fn digest(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(text(&self.hasher.finalize()))
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.deadline.interrupt.is_raised() {
            return Err(io::Error::other("interrupted"));
        }
        if now() >= self.deadline.at {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "not done by the deadline"));
        }
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Digest of bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    text(&Sha256::digest(bytes))
}

fn text(digest: &[u8]) -> String {
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// A small file, whole.
pub(crate) fn read_text(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST_TEXT + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST_TEXT {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any manifest")),
        false => Ok(bytes),
    }
}

/// The content of what may be packed, told by its first bytes.
pub(crate) fn plain<'r>(packed: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut packed = BufReader::with_capacity(1 << 16, packed);
    let start = packed.fill_buf()?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(packed)?),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            return Err(io::Error::other("packed by xz, which is not read here"));
        }
        [b'B', b'Z', b'h', ..] => return Err(io::Error::other("packed by bzip2, which is not read here")),
        _ => Box::new(packed),
    })
}
