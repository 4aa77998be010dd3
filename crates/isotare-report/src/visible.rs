//! Text from outside made safe to show: a guest's console must not move the reader's cursor or break a page.

/// The text with every control character but newline and tab replaced by its picture, as `␛` for escape.
pub(crate) fn visible(text: &str) -> String {
    text.replace("\r\n", "\n").chars().map(picture).collect()
}

/// The same on a single line.
pub(crate) fn one_line(text: &str) -> String {
    let text = visible(text);
    text.split(['\n', '\t']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn picture(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{7f}' => '\u{2421}',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        // C1 controls, line separators, marks that reorder text, and the two that XML forbids.
        '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
            '\u{fffd}'
        }
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_controls_the_reader() {
        assert_eq!(visible("a\u{1b}[2Jb\r\nc\0\u{202e}"), "a\u{241b}[2Jb\nc\u{2400}\u{fffd}");
        assert_eq!(one_line(" a\n\n b\tc "), "a b c");
    }
}
