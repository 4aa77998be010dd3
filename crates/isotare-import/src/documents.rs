//! JSON documents among other lines: messages before, between and after them.

use serde_json::{Deserializer, Value};

/// One document, or what is left of one.
#[derive(Debug)]
pub enum Document {
    /// A whole one.
    Whole {
        /// The line on which it begins, from 1.
        line: usize,
        /// It.
        value: Value,
    },
    /// One that ends before its end.
    CutOff {
        /// The line on which it begins, from 1.
        line: usize,
    },
    /// One that is no JSON where the error says.
    Malformed {
        /// The line on which it begins, from 1.
        line: usize,
        /// What is wrong, and where in the file.
        why: String,
    },
}

/// Every document that begins at the beginning of a line with `{` or `[`; what is indented is a part of one. A line such
/// as `[INFO] …`, with which no document begins, is a message.
pub fn documents(text: &str) -> Vec<Document> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let rest = &text[at..];
        let end = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        if begins(rest) {
            let mut stream = Deserializer::from_str(rest).into_iter::<Value>();
            match stream.next() {
                Some(Ok(value)) => {
                    found.push(Document::Whole { line, value });
                    let used = stream.byte_offset();
                    line += rest[..used].matches('\n').count();
                    at += used;
                    continue;
                }
                Some(Err(error)) if error.is_eof() => {
                    found.push(Document::CutOff { line });
                    return found;
                }
                Some(Err(error)) => {
                    let why = format!("line {}: {error}", line + error.line() - 1);
                    found.push(Document::Malformed { line, why });
                    // Where it breaks, the next one may begin.
                    let skip = before_line(rest, error.line()).max(end);
                    line += rest[..skip].matches('\n').count();
                    at += skip;
                    continue;
                }
                None => return found,
            }
        }
        at += end;
        line += 1;
    }
    found
}

/// Whether a document begins here: a brace before a key or its end, a bracket before a value or its end.
fn begins(text: &str) -> bool {
    let next = |rest: &str| rest.trim_start().chars().next();
    match text.chars().next() {
        Some('{') => matches!(next(&text[1..]), Some('"' | '}') | None),
        Some('[') => matches!(next(&text[1..]), Some('{' | '[' | ']') | None),
        _ => false,
    }
}

/// Bytes before this line, from 1.
fn before_line(text: &str, line: usize) -> usize {
    match line.checked_sub(2) {
        None => 0,
        Some(newlines) => text.match_indices('\n').nth(newlines).map_or(text.len(), |(place, _)| place + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let found: Vec<String> = documents(text)
            .iter()
            .map(|document| match document {
                Document::Whole { line, value } => format!("{line} {value}"),
                Document::CutOff { line } => format!("{line} cut off"),
                Document::Malformed { line, .. } => format!("{line} malformed"),
            })
            .collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn documents_are_found_among_messages() {
        check("", &[]);
        check("[INFO] begins\n{note: none}\n{\n \"a\": [1]\n}\nends\n{}\n", &["3 {\"a\":[1]}", "7 {}"]);
        check("{\"a\": 1}{\"b\": 2}\n[]", &["1 {\"a\":1}", "1 {\"b\":2}", "2 []"]);
    }

    #[test]
    fn what_is_cut_off_or_broken_hides_nothing_after_it() {
        check("{\"a\": 1,\n", &["1 cut off"]);
        check("{\"a\": 1,\n{\"b\": 2}\n", &["1 malformed", "2 {\"b\":2}"]);
        check("{\"a\": 1 2}\n{\"b\": 2}\n", &["1 malformed", "2 {\"b\":2}"]);
        check("{\"a\":\n  {\"c\": x},\n  {\"d\": 1}\n}\n", &["1 malformed"]);
    }
}
