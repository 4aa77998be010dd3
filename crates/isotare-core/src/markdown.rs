//! Text that Markdown shows unchanged.

use crate::visible_line;

/// One line without markup, separators of cells or hidden characters ([`visible_line`]).
///
/// ```
/// assert_eq!(isotare_core::markdown("<b>|`*"), "&lt;b>\\|\\`\\*");
/// ```
pub fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in visible_line(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '`' | '\\' | '~' => out.extend(['\\', c]),
            // Brackets of intervals and names with underscores inside a word are harmless and common.
            '_' | '[' | ']' | '#' if text.contains("](") => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        for (text, expect) in [
            ("a | b", "a \\| b"),
            ("<script>&", "&lt;script>&amp;"),
            ("[x](http://y)", "\\[x\\](http://y)"),
            ("[0.9, 1.1] of a_b", "[0.9, 1.1] of a_b"),
            ("a\n\u{1b}[1m", "a\\\\n\\\\x1b[1m"),
        ] {
            assert_eq!(markdown(text), expect);
        }
    }
}
