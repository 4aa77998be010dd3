//! Compressed bytes of a column.

use isotare_core::{Capture, Captured};
use std::io::{self, Read};

/// Level of zstd: as good as any on text, and fast.
const LEVEL: i32 = 3;

/// Bytes as they are stored.
pub(crate) fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    match bytes {
        [] => Ok(Vec::new()),
        bytes => zstd::bulk::compress(bytes, LEVEL),
    }
}

/// Bytes as they were.
pub(crate) fn unpack(stored: &[u8]) -> io::Result<Vec<u8>> {
    match stored {
        [] => Ok(Vec::new()),
        stored => zstd::decode_all(stored),
    }
}

/// Counts, hashes and cuts stored bytes without holding them all.
pub(crate) fn capture(stored: &[u8]) -> io::Result<Captured> {
    let mut capture = Capture::default();
    if !stored.is_empty() {
        let mut stream = zstd::Decoder::new(stored)?;
        let mut piece = vec![0; 64 << 10];
        loop {
            match stream.read(&mut piece)? {
                0 => break,
                count => capture.take(&piece[..count]),
            }
        }
    }
    Ok(capture.finish())
}
