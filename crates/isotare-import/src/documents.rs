//! JSON documents among other lines: messages before, between and after them.

use crate::Run;
use serde_json::{Deserializer, Value};
use std::borrow::Cow;

/// One document, or a part of one.
#[derive(Debug)]
pub enum Document {
    /// A complete document.
    Whole {
        /// The line on which it begins, from 1.
        line: usize,
        /// Its content.
        value: Value,
    },
    /// A document that ends too early.
    CutOff {
        /// The line on which it begins, from 1.
        line: usize,
    },
    /// A document that is not valid JSON. The error says where.
    Malformed {
        /// The line on which it begins, from 1.
        line: usize,
        /// What is wrong, and where in the file.
        why: String,
    },
}

/// All documents of a text. A document begins with `{` or `[`, at the beginning of a line or directly after
/// another document. Indented lines are part of a document. A line such as `[INFO] …` is a message, because
/// no document begins like this.
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
                    // Another document may have been appended. But if this one is a list, what follows may be
                    // an element of it, so the search ends.
                    if cut_off == MOST_CUT_OFF || rest.starts_with('[') {
                        return found;
                    }
                }
                Some(Err(error)) => {
                    let why = format!("line {}: {error}", line + error.line() - 1);
                    found.push(Document::Malformed { line, why });
                    // The next document may begin on the line of the error.
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

/// If a program has put an array around the documents of a tool, takes the array apart into these documents.
/// `is_one`: each document of this tool is itself an array.
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

/// The same text with `null` in place of `nan` and `inf`. C programs print these, but JSON has no such
/// numbers.
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

/// The text after `nan` or `inf`; `None`: the text does not begin with such a value.
fn after_nan(rest: &str) -> Option<&str> {
    let begin = rest.trim_start_matches([' ', '\t']);
    let unsigned = begin.strip_prefix('-').unwrap_or(begin);
    let after = ["nan", "inf"].into_iter().find_map(|word| unsigned.strip_prefix(word))?;
    matches!(after.chars().next(), None | Some(',' | '}' | ' ' | '\r' | '\n')).then_some(after)
}

/// Whether a document begins here. After `{` there must be a key or `}`, and after `[` a value or `]`.
/// `follows`: another document ended just before. Only then may a number follow `[`: elsewhere, `[0.5]` is
/// usually the time in a line of a log.
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

/// Number of bytes before this line. Lines are numbered from 1.
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
    fn each_element_of_an_array_is_a_document() {
        let count = |text: &str, is_one| apart(documents(text), is_one).len();
        assert_eq!((count("[{\"a\": 1}\n, {}]\n{}\n", false), count("[{}, {}]", true)), (3, 1));
        assert_eq!((count("[[{}], [{}]]", true), count("[]", false), count("[{}, []]", false)), (2, 1, 1));
    }

    #[test]
    fn documents_after_a_broken_one_are_found() {
        check("{\"a\": 1,\n", &["1 cut off"]);
        check("{\"a\": 1,\n{\"b\": 2}\n", &["1 malformed", "2 {\"b\":2}"]);
        check("{\"a\": 1 2}\n{\"b\": 2}\n", &["1 malformed", "2 {\"b\":2}"]);
        check("{\"a\": [\n{\"b\": 2}\n", &["1 cut off", "2 {\"b\":2}"]);
        check("[\n{\"b\": 2},\n", &["1 cut off"]);
        check("{\"a\":\n  {\"c\": x},\n  {\"d\": 1}\n}\n", &["1 malformed"]);
    }

    #[test]
    fn nan_and_inf_become_null() {
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
