//! JSON documents among other lines: messages before, between and after them.

use crate::Run;
use serde_json::{Deserializer, Value};
use std::borrow::Cow;

/// One document, or a part of one.
#[derive(Debug)]
pub enum Document {
    /// A complete one.
    Whole {
        /// The line on which it begins, from 1.
        line: usize,
        /// It.
        value: Value,
    },
    /// An incomplete one.
    CutOff {
        /// The line on which it begins, from 1.
        line: usize,
    },
    /// One that is not JSON; the error says where.
    Malformed {
        /// The line on which it begins, from 1.
        line: usize,
        /// What is wrong, and where in the file.
        why: String,
    },
}

/// Every document that begins at the beginning of a line, or where another ended, with `{` or `[`; indented
/// lines are a part of one. A line such as `[INFO] …`, which is not the beginning of a document, is a
/// message.
pub fn documents(text: &str) -> Vec<Document> {
    let mut found = Vec::new();
    let (mut at, mut line, mut cut_off) = (0, 1, 0);
    let mut follows = false;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let mut skip = 0;
        if begins(rest, follows) {
            let mut stream = Deserializer::from_str(rest).into_iter::<Value>();
            match stream.next() {
                Some(Ok(value)) => {
                    found.push(Document::Whole { line, value });
                    let used = stream.byte_offset();
                    line += newlines(rest, used);
                    at += used;
                    follows = true;
                    continue;
                }
                Some(Err(error)) if error.is_eof() => {
                    found.push(Document::CutOff { line });
                    cut_off += 1;
                    // Another may have been appended; but what begins within a list is a part of it.
                    if cut_off == MOST_CUT_OFF || rest.starts_with('[') {
                        return found;
                    }
                }
                Some(Err(error)) => {
                    let why = format!("line {}: {error}", line + error.line() - 1);
                    found.push(Document::Malformed { line, why });
                    // The next one may begin at the error.
                    skip = before_line(rest, error.line());
                }
                None => return found,
            }
        }
        follows = false;
        skip = skip.max(rest.find('\n').map_or(rest.len(), |newline| newline + 1));
        line += newlines(rest, skip);
        at += skip;
    }
    found
}

/// After this many documents without an end, the search stops, because each of them is read to the end of the
/// text.
const MOST_CUT_OFF: usize = 8;

fn newlines(text: &str, bytes: usize) -> usize {
    text.bytes().take(bytes).filter(|&byte| byte == b'\n').count()
}

/// The runs of each complete document, and a run without numbers for each document that is incomplete or
/// damaged.
pub fn runs_in(text: &str, mut read: impl FnMut(usize, Value) -> Vec<Run>) -> Vec<Run> {
    let mut found = documents(text);
    let is_broken = |document: &Document| matches!(document, Document::Malformed { .. });
    if found.iter().any(is_broken)
        && let Cow::Owned(text) = without_nan(text)
    {
        found = documents(&text);
    }
    let of_document = |document| match document {
        Document::Whole { line, value } => read(line, value),
        Document::CutOff { line } => vec![Run::incomplete(line, "the document is incomplete")],
        Document::Malformed { line, why } => {
            vec![Run::incomplete(line, format!("the document is damaged, or mixed with another one: {why}"))]
        }
    };
    apart(found, false).into_iter().flat_map(of_document).collect()
}

/// Each document of an array that a program has put around those of a tool. `is_one`: a document of the
/// tool's is an array itself.
pub fn apart(found: Vec<Document>, is_one: bool) -> Vec<Document> {
    let each = |document| match document {
        Document::Whole { line, value: Value::Array(values) }
            if !values.is_empty()
                && values.iter().all(if is_one { Value::is_array } else { Value::is_object }) =>
        {
            values.into_iter().map(|value| Document::Whole { line, value }).collect()
        }
        document => vec![document],
    };
    found.into_iter().flat_map(each).collect()
}

/// The same text with `null` for the `nan` and `inf` that C prints where JSON has no number.
fn without_nan(text: &str) -> Cow<'_, str> {
    let mut whole = String::new();
    let (mut replaced, mut is_value) = (false, false);
    for part in text.split_inclusive(':') {
        match after_nan(part).filter(|_| is_value) {
            Some(after) => {
                whole.push_str(" null");
                whole.push_str(after);
                replaced = true;
            }
            None => whole.push_str(part),
        }
        is_value = part.ends_with(':');
    }
    if replaced { Cow::Owned(whole) } else { Cow::Borrowed(text) }
}

/// The text after a value that is not a number.
fn after_nan(rest: &str) -> Option<&str> {
    let begin = rest.trim_start_matches([' ', '\t']);
    let unsigned = begin.strip_prefix('-').unwrap_or(begin);
    let after = ["nan", "inf"].into_iter().find_map(|word| unsigned.strip_prefix(word))?;
    matches!(after.chars().next(), None | Some(',' | '}' | ' ' | '\r' | '\n')).then_some(after)
}

/// Whether a document begins here: a brace before a key or its end, a bracket before a value or its end.
/// `follows`: another document ended here, so that a bracket before a number is no time of a log.
fn begins(text: &str, follows: bool) -> bool {
    let next = |rest: &str| rest.trim_start().chars().next();
    if let Some(rest) = text.strip_prefix('{') {
        return matches!(next(rest), Some('"' | '}') | None);
    }
    text.strip_prefix('[').is_some_and(|rest| match next(rest) {
        Some('{' | '[' | ']') | None => true,
        Some(first) => follows && (first == '-' || first.is_ascii_digit()),
    })
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
        check("{}[1,2]{}\n[0.5] booted\n{}", &["1 {}", "1 [1,2]", "1 {}", "3 {}"]);
    }

    #[test]
    fn each_document_of_an_array_is_one() {
        let count = |text: &str, is_one| apart(documents(text), is_one).len();
        assert_eq!((count("[{\"a\": 1}\n, {}]\n{}\n", false), count("[{}, {}]", true)), (3, 1));
        assert_eq!((count("[[{}], [{}]]", true), count("[]", false), count("[{}, []]", false)), (2, 1, 1));
    }

    #[test]
    fn what_is_cut_off_or_broken_hides_nothing_after_it() {
        check("{\"a\": 1,\n", &["1 cut off"]);
        check("{\"a\": 1,\n{\"b\": 2}\n", &["1 malformed", "2 {\"b\":2}"]);
        check("{\"a\": 1 2}\n{\"b\": 2}\n", &["1 malformed", "2 {\"b\":2}"]);
        check("{\"a\": [\n{\"b\": 2}\n", &["1 cut off", "2 {\"b\":2}"]);
        check("[\n{\"b\": 2},\n", &["1 cut off"]);
        check("{\"a\":\n  {\"c\": x},\n  {\"d\": 1}\n}\n", &["1 malformed"]);
    }

    #[test]
    fn what_is_no_number_is_null() {
        assert_eq!(without_nan("{\"a\": -nan, \"b\":inf}\n: nan"), "{\"a\": null, \"b\": null}\n: null");
        assert!(matches!(without_nan("{\"a\": \"nan\", \"b\": info}"), Cow::Borrowed(_)));
        let runs = runs_in("{\"a\": nan}\n{\"b\": x}\n", |line, value| {
            vec![Run::unreadable(line, value.to_string())]
        });
        let reasons: Vec<_> = runs.iter().filter_map(|run| run.reason.as_deref()).collect();
        assert_eq!(reasons.first(), Some(&"{\"a\":null}"));
        assert_eq!(runs.len(), 2);
    }
}
