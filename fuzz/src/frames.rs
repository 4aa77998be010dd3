//! Frames of the agent's connection.

use isotare_protocol::{FrameBuffer, FromAgent, ToAgent, decode_hello, encode, encode_hello, hello_at};
use serde::{Serialize, de::DeserializeOwned};

/// What comes is the same however it is cut, and what was decoded is encoded to what is decoded again.
pub fn frames(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let piece = usize::from(piece).max(1);
    messages::<FromAgent>(bytes, piece);
    messages::<ToAgent>(bytes, piece);
    if let Some(at) = hello_at(bytes) {
        let mut buffer = FrameBuffer::default();
        buffer.feed(&bytes[at..]);
        if let Ok(Some(body)) = buffer.next_body()
            && let Ok(hello) = decode_hello(body)
        {
            let again = encode_hello(&hello).expect("what was decoded can be encoded");
            assert_eq!(decode_hello(&again[4..]).expect("decoded again"), hello);
        }
    }
}

fn messages<M: Serialize + DeserializeOwned>(bytes: &[u8], piece: usize) {
    let whole = all::<M>(bytes, bytes.len().max(1));
    assert_eq!(whole, all::<M>(bytes, piece));
}

/// The messages, each encoded again, up to the first error.
fn all<M: Serialize + DeserializeOwned>(bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let (mut buffer, mut found) = (FrameBuffer::default(), Vec::new());
    for part in bytes.chunks(piece) {
        buffer.feed(part);
        loop {
            match buffer.next_message::<M>() {
                Ok(Some(message)) => {
                    let encoded = encode(&message).expect("what was decoded can be encoded");
                    let again: M = postcard::from_bytes(&encoded[4..]).expect("decoded again");
                    assert_eq!(encode(&again).expect("encoded again"), encoded);
                    found.push(encoded);
                }
                Ok(None) => break,
                Err(_) => return found,
            }
        }
    }
    found
}
