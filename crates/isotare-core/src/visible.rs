//! Text from outside made visible: what a file, a process or an instance calls itself must neither control
//! the reader's terminal nor look like something else.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with each character that [`is_hidden`] as an escape: `\x1b` for the control characters of ASCII,
/// `\u{202e}` for others. Line feeds and tabs stay, and a carriage return before a line feed goes.
///
/// ```
/// assert_eq!(isotare_core::visible("a\u{1b}[2Jb\r\nc\u{202e}"), "a\\x1b[2Jb\nc\\u{202e}");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_hidden(c).then(|| escape(c)))
}

/// The same on one line: line feeds and tabs are shown as escapes, too. For names and cells, which have none
/// of their own.
///
/// ```
/// assert_eq!(isotare_core::visible_line("a\nb"), "a\\nb");
/// ```
pub fn visible_line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| match c {
        '\n' => Some("\\n".to_owned()),
        '\t' => Some("\\t".to_owned()),
        c => is_hidden(c).then(|| escape(c)),
    })
}

/// Bytes that should be text, such as a file's name: what is not UTF-8 is shown byte by byte, as `\xff`.
/// Nothing else is changed, so that two names stay two.
///
/// ```
/// assert_eq!(isotare_core::visible_bytes(b"caf\xc3\xa9 \xff"), "café \\xff");
/// ```
pub fn visible_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _never_fails = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// A JSON document in which each character that [`is_hidden`] is an escape of JSON's own, as `\u202e`: a
/// program reads the same values (RFC 8259, section 7). Serializers write only some of these characters so.
///
/// ```
/// assert_eq!(isotare_core::visible_json("\"\u{9b}\u{e0001}\""), r#""\u009b\udb40\udc01""#);
/// ```
pub fn visible_json(document: &str) -> Cow<'_, str> {
    let units = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    escaped(document, |c| is_hidden(c).then(|| units(c)))
}

/// Whether a terminal, an editor or a browser would act on a character or show nothing for it: control
/// characters but line feed and tab; separators of lines and paragraphs; what Unicode calls
/// `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt), which has the marks that reorder text and
/// those without width, but for the selectors of variants, which emoji need; annotations; and what is no
/// character.
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        ' '..='~' => false,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control() || u32::from(c) & 0xfffe == 0xfffe,
    }
}

fn escape(c: char) -> String {
    match c {
        '\r' => "\\r".to_owned(),
        c if c.is_ascii() => format!("\\x{:02x}", u32::from(c)),
        c => c.escape_unicode().to_string(),
    }
}

/// The text with what `shown` gives in place of a character. Text without such characters, which is most, is
/// not copied.
fn escaped(text: &str, shown: impl Fn(char) -> Option<String>) -> Cow<'_, str> {
    if !text.chars().any(|c| shown(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match shown(c) {
            Some(_) if c == '\r' && rest.peek() == Some(&'\n') => {}
            Some(escape) => out.push_str(&escape),
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_of_hidden_character_is_shown() {
        for (text, expect) in [
            ("\u{1b}]0;title\u{7}", "\\x1b]0;title\\x07"),
            ("\u{7f}\u{9b}2J", "\\x7f\\u{9b}2J"),
            ("\u{202e}txt.exe\u{2066}", "\\u{202e}txt.exe\\u{2066}"),
            ("a\u{200b}b\u{feff}\u{2060}", "a\\u{200b}b\\u{feff}\\u{2060}"),
            ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
            ("\u{e0041}\u{fffe}", "\\u{e0041}\\u{fffe}"),
            ("1\r2\r\n3", "1\\r2\n3"),
            ("naïve ×1.02 µs “–” 雪 ❤\u{fe0f}\t\n", "naïve ×1.02 µs “–” 雪 ❤\u{fe0f}\t\n"),
        ] {
            assert_eq!(visible(text), expect);
        }
        assert_eq!(visible_line("a\r\nb\tc"), "a\\nb\\tc");
    }

    proptest! {
        #[test]
        fn no_hidden_character_is_left(text in any::<String>()) {
            let shown = visible(&text);
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert_eq!(visible(&shown), shown.as_ref());
            prop_assert!(!visible_line(&text).contains(['\n', '\t']));
        }
    }
}
