//! What workloads and commands are called where people read them. Programs are given the settings themselves.

use crate::WorkloadSpec;
use shlex::Quoter;
use std::borrow::Cow;

/// The setting that holds a command as a JSON list; it is shown last, after `--`, as the command line takes it.
const COMMAND: &str = "argv";
/// The setting that holds files as a JSON list.
const FILES: &str = "carry";

impl WorkloadSpec {
    /// The workload with its settings, as people read it ([`workload_label`]).
    pub fn label(&self) -> String {
        workload_label(&self.name, self.pairs())
    }
}

/// A workload with its settings, as people read it: `threads threads=2`, `command -- head -c 12M`.
///
/// ```
/// let given = [("argv", r#"["sh","-c","exit 1"]"#), ("time", "1s")];
/// assert_eq!(isotare_core::workload_label("command", given), "command time=1s -- sh -c 'exit 1'");
/// ```
pub fn workload_label<'a>(name: &str, given: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut label = name.to_owned();
    let mut command = None;
    for (key, value) in given {
        let words = [COMMAND, FILES].contains(&key).then(|| serde_json::from_str::<Vec<String>>(value).ok());
        match words.flatten() {
            Some(words) if key == COMMAND => command = Some(words),
            Some(files) => label.push_str(&format!(" {key}={}", shell_line(&files))),
            None => label.push_str(&format!(" {key}={value}")),
        }
    }
    match command {
        Some(words) => format!("{label} -- {}", shell_line(&words)),
        None => label,
    }
}

/// Words as a line that a shell reads as the same words.
///
/// ```
/// assert_eq!(isotare_core::shell_line(&["-w", "cpu:time=1s", "a b", ""]), "-w cpu:time=1s 'a b' ''");
/// ```
pub fn shell_line<W: AsRef<str>>(words: &[W]) -> String {
    // Signs that shlex quotes without need: no shell takes them for anything inside a word.
    let is_plain = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@+=,".contains(c))
    };
    let quoted = |word: &str| match is_plain(word) {
        true => word.to_owned(),
        // Only a NUL could be refused, which no program can be given. It is shown.
        false => Quoter::new().allow_nul(true).quote(word).map_or_else(|_| word.to_owned(), Cow::into_owned),
    };
    words.iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it() {
        let label = |text: &str| text.parse::<WorkloadSpec>().expect("valid").label();
        assert_eq!(label(r#"command:argv=["head"\,"-c"\,"12M"]"#), "command -- head -c 12M");
        assert_eq!(
            label(r#"command:argv=["gzip"\,"-9c"\,"/bin/a b"],carry=["/bin/a b"],time=1s"#),
            "command carry='/bin/a b' time=1s -- gzip -9c '/bin/a b'"
        );
        assert_eq!(label("threads:threads=2"), "threads threads=2");
        assert_eq!(label("cpu"), "cpu");
        assert_eq!(
            label("command:argv=no list"),
            "command argv=no list",
            "what is no list is shown as it is"
        );
    }

    proptest! {
        #[test]
        fn a_shell_reads_the_words_back(words in prop::collection::vec("[^\0]{0,12}", 0..6)) {
            prop_assert_eq!(shlex::split(&shell_line(&words)), Some(words));
        }
    }
}
