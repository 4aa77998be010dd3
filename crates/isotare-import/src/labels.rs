//! Labels that the user gives to files: from options, from the names of files and from a manifest.

use crate::FileRead;
use isotare_core::csv_text;
use std::collections::BTreeMap;
use std::io::Read;

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// A pattern of file names, such as `{environment}/cpu-{iteration}.txt`: a name in braces is a label and
/// matches any characters except `/`, as few as possible. `*` matches such characters without a label. All
/// other characters match themselves.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: regex_lite::Regex,
    names: Vec<String>,
}

impl Pattern {
    /// The pattern that a text describes. The error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut names: Vec<String> = Vec::new();
        let mut regex = String::from("(?:^|/)");
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}', '*']) {
            let (literal, special) = rest.split_at(at);
            regex.push_str(&regex_lite::escape(literal));
            if let Some(after) = special.strip_prefix('*') {
                regex.push_str("[^/]*?");
                rest = after;
                continue;
            }
            let (name, after) = special
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .ok_or_else(|| format!("in the pattern '{text}', a brace is not closed or not opened"))?;
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(is_word) {
                return Err(format!("'{{{name}}}' in the pattern '{text}' is not a valid name of a label"));
            }
            if names.iter().any(|known| known == name) {
                return Err(format!("the label '{name}' is used twice in the pattern '{text}'"));
            }
            names.push(name.to_owned());
            regex.push_str("([^/]+?)");
            rest = after;
        }
        regex.push_str(&regex_lite::escape(rest));
        regex.push('$');
        if names.is_empty() {
            return Err(format!("the pattern '{text}' has no label, such as {{environment}}"));
        }
        let regex =
            regex_lite::Regex::new(&regex).map_err(|error| format!("the pattern '{text}': {error}"))?;
        Ok(Self { regex, names })
    }

    /// The labels in the name of a file; `None` if the end of the name does not match the pattern.
    pub fn labels(&self, file: &str) -> Option<Labels> {
        let found = self.regex.captures(file)?;
        let value =
            |(index, name): (usize, &String)| Some((name.clone(), found.get(index + 1)?.as_str().to_owned()));
        self.names.iter().enumerate().map(value).collect()
    }
}

/// Labels of files by name, from a CSV file with a column `file` and one for each label.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    rows: Vec<(String, Labels)>,
}

impl Manifest {
    /// Reads a manifest. The error names the line.
    pub fn read(file: impl Read) -> Result<Self, String> {
        let mut lines = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let header = lines.headers().map_err(|error| format!("line 1: {error}"))?.clone();
        let names: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        let place = names.iter().position(|name| *name == "file").ok_or_else(|| {
            format!("line 1: there is no column 'file'; the header is '{}'", names.join(","))
        })?;
        let mut rows = Vec::new();
        for record in lines.records() {
            let record = record.map_err(|error| {
                format!("line {}: {error}", error.position().map_or(1, csv::Position::line))
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            let file = record.get(place).map(csv_text).filter(|file| !file.is_empty());
            let file = file.ok_or_else(|| format!("line {line}: column 'file' is empty"))?;
            let cells = names.iter().zip(record.iter()).enumerate();
            let labels = cells.filter(|(index, (_, value))| *index != place && !value.is_empty());
            let labels =
                labels.map(|(_, (name, value))| ((*name).to_owned(), csv_text(value).to_owned())).collect();
            rows.push((file.to_owned(), labels));
        }
        Ok(Self { rows })
    }

    /// The labels of a file, from the row that names it. A row has the whole path of a file or the end of it.
    pub fn labels(&self, file: &str) -> Option<&Labels> {
        let is_it = |named: &str| {
            let before = file.strip_suffix(named);
            before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        self.rows.iter().find(|(named, _)| is_it(named)).map(|(_, labels)| labels)
    }
}

/// Gives every run of a file these labels. They replace labels of the same name.
pub fn label(file: &mut FileRead, labels: &Labels) {
    for run in &mut file.runs {
        run.labels.extend(labels.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, file: &str, expect: Option<&[(&str, &str)]>) {
        let found = Pattern::new(pattern).expect(pattern).labels(file);
        let expect =
            expect.map(|list| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        assert_eq!(found, expect, "{pattern} {file}");
    }

    #[test]
    fn file_names_give_labels() {
        check(
            "{environment}-{iteration}.txt",
            "out/docker-3.txt",
            Some(&[("environment", "docker"), ("iteration", "3")]),
        );
        check(
            "{environment}/*-{iteration}.*",
            "a/kvm/cpu-4k-7.json",
            Some(&[("environment", "kvm"), ("iteration", "4k-7")]),
        );
        check(
            "{environment}/*.{size}.txt",
            "x/lxc/f.4k.txt",
            Some(&[("environment", "lxc"), ("size", "4k")]),
        );
        check("{environment}.txt", "docker.json", None);
        check("{environment}.txt", "a/.txt", None);
        check("{environment}.(txt)", "a/b.(txt)", Some(&[("environment", "b")]));
    }

    #[test]
    fn an_invalid_pattern_is_refused() {
        for (pattern, words) in [
            ("a.txt", "no label"),
            ("{a}-{a}", "twice"),
            ("{a b}", "not a valid name"),
            ("{a", "not closed"),
            ("a}", "not opened"),
        ] {
            let said = Pattern::new(pattern).expect_err(pattern);
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_manifest_names_files() {
        let manifest = Manifest::read(&b"file,environment,iteration\nd/a.txt,docker,1\na.txt,native,\n"[..])
            .expect("read");
        let found =
            |file| manifest.labels(file).map(|labels| labels.values().cloned().collect::<Vec<_>>().join(" "));
        assert_eq!(found("/x/d/a.txt").as_deref(), Some("docker 1"));
        assert_eq!(found("a.txt").as_deref(), Some("native"));
        assert_eq!(found("xa.txt"), None);
        for (text, words) in
            [("name\na\n", "no column 'file'"), ("file,a\n,1\n", "line 2"), ("file,a\nx\n", "line 2")]
        {
            let said = Manifest::read(text.as_bytes()).expect_err(text);
            assert!(said.contains(words), "{said}");
        }
    }
}
