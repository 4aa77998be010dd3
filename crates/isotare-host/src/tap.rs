//! Receives the output of a job on the host: counts, hashes and limits it, and keeps a part or all of it.

use crate::AgentError;
use isotare_core::{Capture, Streams};
use isotare_protocol::Stream;
use std::fs::File;
use std::io::{self, Write};
use zstd::Encoder;

/// Level of zstd for output that is kept whole: the fastest, since the workload waits for it.
const LEVEL: i32 = 1;

/// Takes what a job writes while it runs. Its memory does not grow with the output.
#[derive(Default)]
pub struct OutputTap {
    stdout: Capture,
    stderr: Capture,
    limit: Option<u64>,
    files: Option<[Encoder<'static, File>; 2]>,
}

/// All that a job wrote, each stream compressed with zstd in a file of its own. The files have no name, so
/// nothing has to be removed.
#[derive(Debug)]
pub struct WholeOutput {
    /// Standard output.
    pub stdout: File,
    /// Standard error.
    pub stderr: File,
}

impl OutputTap {
    /// Takes at most `limit` bytes on both streams together; `None`: any number.
    pub fn new(limit: Option<u64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Keeps this many bytes from the start of standard output for a decoder.
    #[must_use]
    pub fn needing(self, bytes: usize) -> Self {
        Self { stdout: Capture::needing(bytes), ..self }
    }

    /// Keeps everything, compressed, in these empty files.
    pub fn keeping(self, files: WholeOutput) -> io::Result<Self> {
        let files = [Encoder::new(files.stdout, LEVEL)?, Encoder::new(files.stderr, LEVEL)?];
        Ok(Self { files: Some(files), ..self })
    }

    /// Takes the next piece of a stream.
    pub(crate) fn take(&mut self, stream: Stream, piece: &[u8]) -> Result<(), AgentError> {
        let (capture, place) = match stream {
            Stream::Stdout => (&mut self.stdout, 0),
            Stream::Stderr => (&mut self.stderr, 1),
        };
        capture.take(piece);
        if let Some(files) = &mut self.files {
            files[place].write_all(piece).map_err(AgentError::Keep)?;
        }
        match self.limit {
            Some(limit) if self.stdout.bytes() + self.stderr.bytes() > limit => {
                Err(AgentError::TooMuchOutput { limit })
            }
            _ => Ok(()),
        }
    }

    /// What was taken, and the files where everything was to be kept.
    pub fn finish(self) -> (Streams, io::Result<Option<WholeOutput>>) {
        let streams = Streams { stdout: self.stdout.finish(), stderr: self.stderr.finish() };
        let whole = self
            .files
            .map(|[stdout, stderr]| Ok(WholeOutput { stdout: stdout.finish()?, stderr: stderr.finish()? }));
        (streams, whole.transpose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Captured;
    use std::io::{Read, Seek};

    #[test]
    fn the_limit_covers_both_streams_and_earlier_output_is_kept() {
        let mut tap = OutputTap::new(Some(5));
        tap.take(Stream::Stdout, b"abc").expect("below the limit");
        tap.take(Stream::Stderr, b"de").expect("at the limit");
        let error = tap.take(Stream::Stdout, b"f").expect_err("above the limit").to_string();
        assert!(error.contains("more than 5 bytes") && error.contains("--output-limit"), "{error}");
        let (streams, whole) = tap.finish();
        assert_eq!(streams, Streams { stdout: Captured::of(b"abcf"), stderr: Captured::of(b"de") });
        assert!(whole.expect("no file").is_none());
    }

    #[test]
    fn all_output_is_kept_if_requested() {
        let file = || tempfile::tempfile().expect("a file");
        let files = WholeOutput { stdout: file(), stderr: file() };
        let mut tap = OutputTap::new(None).keeping(files).expect("begins");
        let line = b"the same line again\n".repeat(100);
        (0..200).for_each(|_| tap.take(Stream::Stdout, &line).expect("kept"));
        let (streams, whole) = tap.finish();
        let mut whole = whole.expect("complete").expect("kept");
        assert_eq!(streams.stdout.bytes, 400_000);
        assert!(streams.stdout.cut() > 0);
        whole.stdout.rewind().expect("rewinds");
        let read = zstd::decode_all(&whole.stdout).expect("zstd");
        assert!(read == line.repeat(200), "{} bytes", read.len());
        let mut compressed = Vec::new();
        whole.stderr.rewind().expect("rewinds");
        whole.stderr.read_to_end(&mut compressed).expect("reads");
        assert_eq!(zstd::decode_all(&compressed[..]).expect("zstd"), b"");
    }
}
