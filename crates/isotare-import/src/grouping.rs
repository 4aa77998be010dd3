//! Separators between groups of digits, as in `1 234 567`.

use std::borrow::Cow;

/// Characters that have no other meaning between two digits: no-break space, narrow no-break space, thin
/// space, and two apostrophes. The locales of glibc (`thousands_sep` of `localedata/locales`) use these, and
/// also the space, the point and the comma. The last three are separators of thousands only in the output of
/// some tools.
const SURE: [char; 5] = ['\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}'];

/// The text without separators of thousands that have no other meaning: `1234` for `1’234`. Groups of digits
/// that are not thousands do not change. Later they are not read as numbers.
pub fn joined(text: &str) -> Cow<'_, str> {
    // These bytes begin the separators in UTF-8. Most texts have none of them.
    if !text.bytes().any(|byte| matches!(byte, b'\'' | 0xc2 | 0xe2)) {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, number) = rest.split_at(begin);
        let is_part =
            before.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '.' | ',' | '_'));
        let length = number.find(|letter: char| !letter.is_ascii_digit() && !SURE.contains(&letter));
        let (number, after) = number.split_at(length.unwrap_or(number.len()));
        let groups: Vec<&str> = number.split(SURE).collect();
        let is_joined = !is_part && are_thousands(&groups) && !after.starts_with(char::is_alphanumeric);
        whole.push_str(before);
        match is_joined {
            true => groups.iter().for_each(|group| whole.push_str(group)),
            false => whole.push_str(number),
        }
        rest = after;
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

/// Whether these groups of digits are one number: `1`, `234`, `567`, or in the Indian way `12`, `34`, `567`.
pub fn are_thousands(groups: &[&str]) -> bool {
    let Some((last, [first, middle @ ..])) = groups.split_last() else { return false };
    let is_figure = |group: &&str| group.bytes().all(|byte| byte.is_ascii_digit());
    let of = |length: usize| {
        (1..=length).contains(&first.len()) && middle.iter().all(|group| group.len() == length)
    };
    groups.iter().all(is_figure) && last.len() == 3 && (of(3) || of(2))
}

/// How many words after the first one belong to the same number: one in `1 234 bytes`.
pub fn further_groups(words: &[&str]) -> usize {
    let is_group = |word: &&&str| {
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let rest = word.get(digits..).unwrap_or_default();
        (2..=3).contains(&digits) && (rest.is_empty() || rest.starts_with(['.', ',']))
    };
    let begins =
        words.first().is_some_and(|word| word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit()));
    if begins { words.iter().skip(1).take_while(is_group).count() } else { 0 }
}

/// Whether a text begins with a number that has several groups with one blank between them, as in `1 234
/// requests`. Columns with more blanks between them, as in `39   100`, are not one number.
pub fn is_split(text: &str) -> bool {
    further_groups(&text.trim_start().split(' ').collect::<Vec<_>>()) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_without_another_meaning_are_removed() {
        for mark in SURE {
            for (text, expect) in [
                ("a 1_234_567 b", "a 1234567 b"),
                ("1_234,56\t12_345.6", "1234,56\t12345.6"),
                ("(1_234)", "(1234)"),
                ("1_23 1_2345 a1_234 1_234b 0.1_234 _1_234_", "1_23 1_2345 a1_234 1_234b 0.1_234 _1_234_"),
            ] {
                let [text, expect] = [text, expect].map(|text| text.replace('_', &mark.to_string()));
                assert_eq!(joined(&text), expect, "{text}");
            }
        }
    }

    #[test]
    fn groups_of_three_and_indian_groups_are_one_number() {
        for (groups, expect) in [
            (&["1", "234"][..], true),
            (&["123", "456", "789"], true),
            (&["12", "34", "567"], true),
            (&["1234", "567"], false),
            (&["1", "23"], false),
            (&["1", "2345"], false),
            (&["", "234"], false),
            (&["123", "45", "678"], false),
            (&["1"], false),
        ] {
            assert_eq!(are_thousands(groups), expect, "{groups:?}");
        }
    }

    #[test]
    fn further_groups_of_a_number_are_counted() {
        for (text, expect) in [
            ("1 234 567 cycles", 2),
            ("1 234,56 msec", 1),
            ("1234 567", 0),
            ("1 cycles", 0),
            ("7", 0),
            ("a 123", 0),
        ] {
            let words: Vec<&str> = text.split(' ').collect();
            assert_eq!(further_groups(&words), expect, "{text}");
            assert_eq!(is_split(text), expect > 0, "{text}");
        }
        assert!(!is_split("39  100  31.0"));
    }
}
