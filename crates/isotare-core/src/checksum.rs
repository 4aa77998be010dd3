//! SHA-256, as `sha256sum` prints it.

use sha2::Digest;
use std::fmt::Write;

/// A SHA-256 sum of bytes that arrive in pieces.
///
/// ```
/// let sum = isotare_core::Sha256::of(b"");
/// assert_eq!(sum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// Takes the next piece.
    pub fn update(&mut self, piece: impl AsRef<[u8]>) {
        self.0.update(piece);
    }

    /// The sum: 64 hexadecimal digits.
    pub fn hex(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finalize() {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
        }
        text
    }

    /// The sum of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> String {
        let mut sum = Self::default();
        sum.update(bytes);
        sum.hex()
    }
}

impl std::io::Write for Sha256 {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.update(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
