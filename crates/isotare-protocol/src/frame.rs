//! Framing: a little-endian `u32` length, then that many bytes of a `postcard`-encoded message.
//!
//! The first frame of a connection is the agent's [`Hello`], which alone carries a magic word and the
//! protocol version before its body, so that a different version can be recognised.

use crate::{Hello, VERSION};
use serde::{Serialize, de::DeserializeOwned};

/// Largest frame accepted, bytes. Output is sent in smaller pieces.
pub const MAX_FRAME: usize = 64 << 20;
const MAGIC: &[u8; 8] = b"ISOTARE\n";

/// An invalid stream.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// An invalid length.
    #[error("frame of {0} bytes is larger than the limit of {MAX_FRAME}")]
    TooLarge(usize),
    /// A frame that is not a valid message.
    #[error("frame cannot be decoded")]
    Malformed(#[from] postcard::Error),
    /// The first frame is not that of an agent.
    #[error("the other side is not an isotare agent (its first bytes are {0:?})")]
    NoAgent(Vec<u8>),
    /// The agent speaks another version.
    #[error("the agent uses protocol version {agent}, but this isotare uses {VERSION}")]
    Version {
        /// The agent's version.
        agent: u32,
    },
}

/// A message as bytes on the wire.
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, FrameError> {
    framed(postcard::to_extend(message, vec![0; 4])?)
}

/// The agent's first frame.
pub fn encode_hello(hello: &Hello) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; 4];
    frame.extend_from_slice(MAGIC);
    frame.extend_from_slice(&VERSION.to_le_bytes());
    framed(postcard::to_extend(hello, frame)?)
}

/// Reads the body of the first frame.
pub fn decode_hello(body: &[u8]) -> Result<Hello, FrameError> {
    let no_agent = || FrameError::NoAgent(body.iter().copied().take(16).collect());
    let rest = body.strip_prefix(MAGIC.as_slice()).ok_or_else(no_agent)?;
    let (version, hello) = rest.split_first_chunk::<4>().ok_or_else(no_agent)?;
    match u32::from_le_bytes(*version) {
        VERSION => Ok(postcard::from_bytes(hello)?),
        agent => Err(FrameError::Version { agent }),
    }
}

/// Where the first frame of an agent begins in bytes that came over a line that others have written to
/// before.
pub fn hello_at(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MAGIC.len()).position(|window| window == MAGIC)?.checked_sub(4)
}

fn framed(mut frame: Vec<u8>) -> Result<Vec<u8>, FrameError> {
    let body = frame.len() - 4;
    let length = u32::try_from(body).ok().filter(|_| body <= MAX_FRAME).ok_or(FrameError::TooLarge(body))?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Bytes received so far, cut into frames. It never blocks: the owner feeds it what it has read.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl FrameBuffer {
    /// Whether there is nothing in it, not even a part of a frame.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.start
    }

    /// Adds bytes as they came.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Body of the next whole frame; `None` until it has all arrived.
    pub fn next_body(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let pending = &self.bytes[self.start..];
        let Some((length, _)) = pending.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge(length));
        }
        if pending.len() < 4 + length {
            return Ok(None);
        }
        let body = self.start + 4;
        self.start = body + length;
        Ok(Some(&self.bytes[body..body + length]))
    }

    /// The next whole message; `None` until it has all arrived.
    pub fn next_message<M: DeserializeOwned>(&mut self) -> Result<Option<M>, FrameError> {
        match self.next_body()? {
            Some(body) => Ok(Some(postcard::from_bytes(body)?)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromAgent, Stream};

    fn hello() -> Hello {
        Hello { agent_version: "1".into(), pid: 1, clock_ns: 9, started_ns: 8 }
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let sent: Vec<FromAgent> = (0..20)
            .map(|i| FromAgent::Output { stream: Stream::Stdout, data: vec![i; usize::from(i) * 7] })
            .collect();
        let wire: Vec<u8> = sent.iter().flat_map(|m| encode(m).expect("encodes")).collect();
        for cut in [1, 3, 5, 64, wire.len()] {
            let mut buffer = FrameBuffer::default();
            let mut got: Vec<FromAgent> = Vec::new();
            for piece in wire.chunks(cut) {
                buffer.feed(piece);
                while let Some(message) = buffer.next_message().expect("decodes") {
                    got.push(message);
                }
            }
            assert_eq!(got, sent, "cut into pieces of {cut}");
        }
    }

    #[test]
    fn a_hello_of_another_version_is_distinguished_from_noise() {
        let frame = encode_hello(&hello()).expect("encodes");
        assert_eq!(decode_hello(&frame[4..]).expect("decodes"), hello());
        let mut other = frame[4..].to_vec();
        other[8] = 99;
        assert!(matches!(decode_hello(&other), Err(FrameError::Version { agent: 99 })));
        assert!(matches!(decode_hello(b"[    0.000000] Linux"), Err(FrameError::NoAgent(_))));
    }

    #[test]
    fn an_absurd_length_is_refused_before_memory_is_allocated() {
        let mut buffer = FrameBuffer::default();
        buffer.feed(&[0xff; 8]);
        assert!(matches!(buffer.next_body(), Err(FrameError::TooLarge(_))));
    }
}
