//! How users name environments and workloads: `name[:key=value,…]`.
//!
//! A backslash escapes the next character, so that any text can be a value: `command:argv=["ls"\,"-l"]`. When
//! Isotare writes such a text, it escapes only the characters that need it: `,`, `#`, `\` and, in keys, `=`.

use crate::SettingDef;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An environment as the user wrote it: a driver and the settings given. A replica, such as `native#null`, is
/// the same environment again, as another condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EnvironmentSpec {
    /// Name of the driver.
    pub driver: String,
    /// Keys and values as given, in the order given.
    pub given: Vec<(String, String)>,
    /// Which replica; `None`: the first.
    pub replica: Option<String>,
}

/// A workload as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct WorkloadSpec {
    /// Name of the workload.
    pub name: String,
    /// Keys and values as given.
    pub given: Vec<(String, String)>,
}

/// A text that is not a valid environment or workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not of the form name[:key=value,…]: {why}")]
pub struct SpecError {
    text: String,
    why: String,
}

impl EnvironmentSpec {
    /// This environment again as another condition, `DRIVER#name`.
    #[must_use]
    pub fn replica(&self, name: &str) -> Self {
        Self { replica: Some(name.to_owned()), ..self.clone() }
    }

    /// The given settings as borrowed pairs.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.given)
    }

    /// Adds a setting, if the spec does not have this setting yet and the driver knows it (it is in `taken`).
    pub fn default_to(&mut self, key: &str, value: &str, taken: &[SettingDef]) {
        if taken.iter().any(|def| def.key == key) && self.given.iter().all(|(given, _)| given != key) {
            self.given.push((key.to_owned(), value.to_owned()));
        }
    }
}

impl EnvironmentSpec {
    /// An environment without settings. Unlike in a spec, the name may contain any characters, as in `bare
    /// metal`.
    pub fn plain(name: &str) -> Self {
        Self { driver: name.to_owned(), given: Vec::new(), replica: None }
    }
}

impl WorkloadSpec {
    /// A workload with its default settings.
    pub fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), given: Vec::new() }
    }

    /// The given settings as borrowed pairs.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.given)
    }
}

fn pairs(given: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    given.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

const ESCAPE: char = '\\';

fn parse(text: &str) -> Result<(String, Vec<(String, String)>), SpecError> {
    let error = |why: &str| SpecError { text: text.to_owned(), why: why.to_owned() };
    let (name, rest) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        return Err(error(
            "the name is missing or has characters other than letters, digits, '-', '_' and '.'",
        ));
    }
    let mut given = Vec::new();
    let mut rest = rest;
    while let Some(pairs) = rest {
        let (pair, more) = match find(pairs, ',') {
            Some(comma) => (&pairs[..comma], Some(&pairs[comma + 1..])),
            None => (pairs, None),
        };
        let equals = find(pair, '=').ok_or_else(|| error(&format!("'{pair}' has no '='")))?;
        let (key, value) = (&pair[..equals], &pair[equals + 1..]);
        if key.is_empty() || value.is_empty() {
            return Err(error(&format!("'{pair}' has no key or no value")));
        }
        let plain = |part| {
            unescape(part).ok_or_else(|| {
                error(
                    "a backslash is the last character; it has to be followed by \
                                                the character that it escapes",
                )
            })
        };
        given.push((plain(key)?, plain(value)?));
        rest = more;
    }
    Ok((name.to_owned(), given))
}

/// The first place of `wanted` without a backslash before it.
fn find(text: &str, wanted: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let hit = !escaped && c == wanted;
        escaped = !escaped && c == ESCAPE;
        hit.then_some(at)
    })
}

/// The last place of `wanted` without a backslash before it.
fn rfind(text: &str, wanted: char) -> Option<usize> {
    let mut found = None;
    let mut from = 0;
    while let Some(at) = find(&text[from..], wanted) {
        found = Some(from + at);
        from += at + wanted.len_utf8();
    }
    found
}

/// Removes the backslashes; `None` if nothing follows the last one.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == ESCAPE { chars.next()? } else { c });
    }
    Some(plain)
}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str, special: &[char]) -> fmt::Result {
    for c in text.chars() {
        if c == ESCAPE || special.contains(&c) {
            write!(f, "{ESCAPE}")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

fn write(f: &mut fmt::Formatter<'_>, name: &str, given: &[(String, String)]) -> fmt::Result {
    f.write_str(name)?;
    for (i, (key, value)) in given.iter().enumerate() {
        f.write_str(if i == 0 { ":" } else { "," })?;
        write_escaped(f, key, &[',', '#', '='])?;
        f.write_str("=")?;
        write_escaped(f, value, &[',', '#'])?;
    }
    Ok(())
}

impl FromStr for EnvironmentSpec {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let error = |why: &str| SpecError { text: text.to_owned(), why: why.to_owned() };
        let (spec, replica) = match rfind(text, '#') {
            Some(hash) => (&text[..hash], Some(&text[hash + 1..])),
            None => (text, None),
        };
        let replica = match replica {
            Some("") => return Err(error("the replica after '#' has no name")),
            Some(replica) => Some(
                unescape(replica)
                    .ok_or_else(|| error("it ends in a backslash, which has to escape a character"))?,
            ),
            None => None,
        };
        parse(spec).map(|(driver, given)| Self { driver, given, replica })
    }
}

impl FromStr for WorkloadSpec {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, SpecError> {
        parse(text).map(|(name, given)| Self { name, given })
    }
}

impl fmt::Display for EnvironmentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.driver, &self.given)?;
        match &self.replica {
            Some(replica) => {
                f.write_str("#")?;
                write_escaped(f, replica, &['#'])
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for WorkloadSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.name, &self.given)
    }
}

macro_rules! as_text {
    ($spec:ty) => {
        impl From<$spec> for String {
            fn from(spec: $spec) -> String {
                spec.to_string()
            }
        }
        impl TryFrom<String> for $spec {
            type Error = SpecError;
            fn try_from(text: String) -> Result<Self, SpecError> {
                text.parse()
            }
        }
    };
}
as_text!(EnvironmentSpec);
as_text!(WorkloadSpec);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spec_is_written_as_it_was_read() {
        for text in
            ["native", "native#null", "qemu:accel=tcg,machine=q35", "docker:runtime=runc,network=none"]
        {
            assert_eq!(text.parse::<EnvironmentSpec>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, why) in
            [("", "name is missing"), ("qemu:accel", "has no '='"), ("a b", "characters"), ("x:=1", "no key")]
        {
            let error = text.parse::<EnvironmentSpec>().expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_default_is_given_to_environments_that_have_the_setting_and_no_value() {
        let image = crate::IMAGE_SETTING;
        for (text, taken, expected) in [
            ("chroot", &[image.clone()][..], "chroot:image=host"),
            ("chroot:image=debian", &[image], "chroot:image=debian"),
            ("native#null", &[], "native#null"),
        ] {
            let mut spec: EnvironmentSpec = text.parse().expect(text);
            spec.default_to("image", "host", taken);
            assert_eq!(spec.to_string(), expected);
        }
    }

    #[test]
    fn only_special_characters_are_escaped() {
        let spec = WorkloadSpec {
            name: "command".to_owned(),
            given: vec![("argv".to_owned(), r#"["a=b:c","d\n"]"#.to_owned())],
        };
        assert_eq!(spec.to_string(), r#"command:argv=["a=b:c"\,"d\\n"]"#);
        let image: EnvironmentSpec = "docker:image=debian:12,x=a=b".parse().expect("valid");
        assert_eq!(image.given, [("image", "debian:12"), ("x", "a=b")].map(|(k, v)| (k.into(), v.into())));
        assert_eq!(image.to_string(), "docker:image=debian:12,x=a=b");
        for bad in [r"x:a=\", r"x#\", "x#", r"x:a=b\#"] {
            let read = bad.parse::<EnvironmentSpec>();
            assert_eq!(read.is_ok(), bad.ends_with("\\#"), "{bad}: {read:?}");
        }
    }

    fn given() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec((r"[a-z,=:#\\\\]{1,6}", r#"[a-c,=:#\\\\"ü \n\[]{1,12}"#), 0..4)
    }

    proptest! {
        #[test]
        fn every_spec_is_read_back_from_its_text(
            name in "[a-zA-Z0-9._-]{1,8}",
            given in given(),
            replica in prop::option::of(r"[a-z,=:#\\\\]{1,6}"),
        ) {
            let workload = WorkloadSpec { name: name.clone(), given: given.clone() };
            prop_assert_eq!(workload.to_string().parse::<WorkloadSpec>(), Ok(workload));
            let environment = EnvironmentSpec { driver: name, given, replica };
            prop_assert_eq!(environment.to_string().parse::<EnvironmentSpec>(), Ok(environment));
        }

        #[test]
        fn every_text_that_is_accepted_is_read_back(text in ".{0,40}") {
            if let Ok(spec) = text.parse::<EnvironmentSpec>() {
                prop_assert_eq!(spec.to_string().parse::<EnvironmentSpec>(), Ok(spec));
            }
        }
    }
}
