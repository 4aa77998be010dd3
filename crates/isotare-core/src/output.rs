//! The output of a job, kept in a bounded size. Each stream is counted and hashed while it is read, and its
//! beginning and its end are kept.

use crate::Sha256;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How much of the beginning and of the end of a stream is kept, bytes.
pub const KEPT_END: usize = 64 << 10;

/// The default limit for what a job may write to both streams together, bytes.
pub const OUTPUT_LIMIT: u64 = 8 << 30;

/// One output stream of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// Bytes that were written.
    pub bytes: u64,
    /// SHA-256 of all of them: 64 hexadecimal digits, as `sha256sum` prints them.
    pub sha256: String,
    /// The first bytes: [`KEPT_END`] of them, and more only until a decoder has read them.
    pub head: Vec<u8>,
    /// The last bytes that are not in `head`, at most [`KEPT_END`]. Without a cut, `head` and `tail` are the
    /// whole stream.
    pub tail: Vec<u8>,
}

impl Captured {
    /// A stream of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut capture = Capture::default();
        capture.take(bytes);
        capture.finish()
    }

    /// Bytes between `head` and `tail` that are not kept.
    pub fn cut(&self) -> u64 {
        self.bytes.saturating_sub(self.head.len() as u64).saturating_sub(self.tail.len() as u64)
    }

    /// What is kept, as text: the beginning and the end, and between them a line that says how many bytes are
    /// omitted.
    pub fn text(&self) -> Cow<'_, str> {
        match (self.cut(), self.tail.as_slice()) {
            (0, []) => String::from_utf8_lossy(&self.head),
            (0, tail) => Cow::Owned(String::from_utf8_lossy(&[&self.head, tail].concat()).into_owned()),
            (cut, tail) => {
                Cow::Owned(joined(&String::from_utf8_lossy(&self.head), cut, &String::from_utf8_lossy(tail)))
            }
        }
    }

    /// The same stream with a head of at most [`KEPT_END`] bytes.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        if self.head.len() > KEPT_END {
            let rest = self.head.split_off(KEPT_END);
            self.head.shrink_to_fit();
            // Where bytes are missing between them already, the tail is full.
            let room = KEPT_END.saturating_sub(self.tail.len()).min(rest.len());
            let end = rest[rest.len() - room..].iter().copied();
            self.tail.splice(0..0, end);
        }
        self
    }
}

impl Default for Captured {
    fn default() -> Self {
        Capture::default().finish()
    }
}

/// Both output streams of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
}

impl Streams {
    /// The same streams with heads of at most [`KEPT_END`] bytes.
    #[must_use]
    pub fn shortened(self) -> Self {
        Self { stdout: self.stdout.shortened(), stderr: self.stderr.shortened() }
    }
}

/// A stream that is still being read. It accepts any number of bytes and needs a bounded amount of memory.
#[derive(Clone, Debug)]
pub struct Capture {
    bytes: u64,
    hash: Sha256,
    head: Vec<u8>,
    /// The last [`KEPT_END`] bytes after the head, and up to as many before them, so that they are seldom
    /// moved.
    tail: Vec<u8>,
    head_limit: usize,
}

impl Default for Capture {
    fn default() -> Self {
        Self::needing(0)
    }
}

impl Capture {
    /// For a decoder that needs this many bytes from the start.
    pub fn needing(bytes: usize) -> Self {
        let head_limit = bytes.max(KEPT_END);
        Self { bytes: 0, hash: Sha256::default(), head: Vec::new(), tail: Vec::new(), head_limit }
    }

    /// Takes the next piece.
    pub fn take(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.hash.update(piece);
        let (first, rest) = piece.split_at(piece.len().min(self.head_limit - self.head.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(KEPT_END)..];
        if self.tail.len() + rest.len() > 2 * KEPT_END {
            let kept = KEPT_END - rest.len();
            self.tail.drain(..self.tail.len() - kept);
        }
        self.tail.extend_from_slice(rest);
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is kept of it.
    pub fn finish(mut self) -> Captured {
        self.tail.drain(..self.tail.len().saturating_sub(KEPT_END));
        Captured { bytes: self.bytes, sha256: self.hash.hex(), head: self.head, tail: self.tail }
    }
}

/// Shortens a text to at most [`KEPT_END`] bytes from its beginning and from its end. A line between them
/// says how many bytes are omitted.
pub fn shortened(text: String) -> String {
    if text.len() <= 2 * KEPT_END {
        return text;
    }
    let boundary = |at: &usize| text.is_char_boundary(*at);
    let head_end = (0..=KEPT_END).rev().find(boundary).unwrap_or(0);
    let tail_start = (text.len() - KEPT_END..text.len()).find(boundary).unwrap_or(text.len());
    joined(&text[..head_end], (tail_start - head_end) as u64, &text[tail_start..])
}

fn joined(head: &str, cut: u64, tail: &str) -> String {
    format!("{head}\n[… {cut} bytes are omitted …]\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hash_is_that_of_sha256sum() {
        // printf abc | sha256sum
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Captured::of(b"abc").sha256, abc);
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!((Captured::default().bytes, Captured::default().sha256.as_str()), (0, empty));
    }

    #[test]
    fn a_text_keeps_both_ends_and_says_what_is_missing() {
        let short = "é".repeat(KEPT_END);
        assert_eq!(shortened(short.clone()), short);
        let long = format!("a{}z", "é".repeat(KEPT_END + 10));
        let cut = shortened(long);
        assert!(cut.starts_with("aé") && cut.ends_with("éz"), "both ends");
        // 1 + 2 × 65,546 + 1 bytes, cut at 65,535 and 65,559, which are boundaries of characters.
        assert!(cut.contains("\n[… 24 bytes are omitted …]\n"), "{} bytes", cut.len());
    }

    proptest! {
        #[test]
        fn the_result_does_not_depend_on_how_a_stream_is_cut(
            length in 0..5 * KEPT_END,
            piece in 1..3 * KEPT_END,
            needed in 0..3 * KEPT_END,
        ) {
            let bytes: Vec<u8> = (0..251).cycle().take(length).collect();
            let mut capture = Capture::needing(needed);
            bytes.chunks(piece).for_each(|piece| capture.take(piece));
            let stream = capture.finish();
            prop_assert_eq!(stream.bytes, length as u64);
            prop_assert_eq!(&stream.head, &bytes[..length.min(needed.max(KEPT_END))]);
            let after = length - stream.head.len();
            prop_assert_eq!(&stream.tail, &bytes[length - after.min(KEPT_END)..]);
            prop_assert_eq!(stream.cut(), (after - stream.tail.len()) as u64);
            prop_assert_eq!(stream.shortened(), Captured::of(&bytes));
        }
    }
}
