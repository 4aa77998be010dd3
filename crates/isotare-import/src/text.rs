//! Converts a file's bytes to the text that a tool printed. Additions of terminals, editors and other systems
//! are removed.

use crate::grouping::joined;
use std::borrow::Cow;

/// The text without byte-order mark, terminal escapes, carriage returns, and separators of thousands that
/// have no other meaning. UTF-16 with a byte-order mark (Windows shells write it) is converted. Invalid UTF-8
/// is replaced. Line numbers stay those of the file.
pub fn clean(bytes: &[u8]) -> Cow<'_, str> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        _ => utf8(bytes),
    };
    let text = match [0x1b, b'\r'].iter().any(|control| text.as_bytes().contains(control)) {
        true => Cow::Owned(without_controls(&text)),
        false => text,
    };
    match joined(&text) {
        Cow::Owned(joined) => Cow::Owned(joined),
        Cow::Borrowed(_) => text,
    }
}

/// Valid UTF-8 is checked in large steps. Only invalid text is read byte by byte.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|found| found.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Removes control characters. A carriage return before a line feed is removed. A carriage return alone comes
/// from a progress line that was drawn again. It becomes a line feed, so that the lines before and after it
/// stay separate.
fn without_controls(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // Removing escapes from a whole line would also remove the tabs between its columns.
    let cells: Vec<String> = text.split('\t').map(strip_ansi_escapes::strip_str).collect();
    cells.join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_removed_and_columns_stay() {
        for (text, expect) in [
            ("a\tb\r\nc", "a\tb\nc"),
            ("1%\r2%\r\n3", "1%\n2%\n3"),
            ("\x1b[1ma\tb\x1b[0m\tc", "a\tb\tc"),
            ("\u{feff}a", "a"),
        ] {
            assert_eq!(clean(text.as_bytes()), expect, "{text:?}");
        }
    }
}
