//! A file's bytes as the text that a tool printed: what terminals, editors and other systems put around it is taken off.

use std::borrow::Cow;

/// Text without byte-order mark, terminal escapes and carriage returns. UTF-16 with a mark (as Windows shells write it) is
/// converted; what is no UTF-8 is replaced. Lines stay where they were, so that line numbers are those of the file.
pub fn clean(bytes: &[u8]) -> Cow<'_, str> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        _ => utf8(bytes),
    };
    match [0x1b, b'\r'].iter().any(|control| text.as_bytes().contains(control)) {
        true => Cow::Owned(without_controls(&text)),
        false => text,
    }
}

/// What is well-formed is looked through in large steps; only what is not, byte by byte.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|found| found.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Stand for a tab and a carriage return while escapes are taken off, with which every control but the line feed goes: no text
/// has these, which are no characters.
const TAB: char = '\u{fdd0}';
const RETURN: char = '\u{fdd1}';

/// A carriage return before a line feed goes with it; one alone is a progress line drawn again, which was a line of its
/// own: it becomes an end of line, so that what follows is not glued to what precedes. Tabs stay.
fn without_controls(text: &str) -> String {
    let kept = text.replace("\r\n", "\n").replace('\r', RETURN.encode_utf8(&mut [0; 4]));
    let plain = strip_ansi_escapes::strip_str(kept.replace('\t', TAB.encode_utf8(&mut [0; 4])));
    plain.replace(TAB, "\t").replace(RETURN, "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_go_and_tabs_and_lines_stay() {
        for (bytes, expect) in [
            ("a\tb\r\nc", "a\tb\nc"),
            ("a\tb\n", "a\tb\n"),
            ("\u{feff}10%\r20%\r\n", "10%\n20%\n"),
            ("\x1b[1ma\tb\x1b[0m\n", "a\tb\n"),
        ] {
            assert_eq!(clean(bytes.as_bytes()), expect, "{bytes:?}");
        }
    }
}
