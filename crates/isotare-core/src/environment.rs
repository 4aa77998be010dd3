//! How users name environments and workloads: `name[:key=value,…]`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An environment as the user wrote it: a driver and the settings given. A replica, such as `native#null`, is
/// the same environment as a condition of its own.
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

/// A text that names no environment or workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not of the form name[:key=value,…]: {why}")]
pub struct SpecError {
    text: String,
    why: String,
}

impl EnvironmentSpec {
    /// This environment as another condition, `DRIVER#name`.
    #[must_use]
    pub fn replica(&self, name: &str) -> Self {
        Self { replica: Some(name.to_owned()), ..self.clone() }
    }

    /// The given settings as borrowed pairs.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.given)
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

fn parse(text: &str) -> Result<(String, Vec<(String, String)>), SpecError> {
    let error = |why: &str| SpecError { text: text.to_owned(), why: why.to_owned() };
    let (name, rest) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        return Err(error(
            "the name is missing or has characters other than letters, digits, '-', '_' and '.'",
        ));
    }
    let mut given = Vec::new();
    for pair in rest.into_iter().flat_map(|rest| rest.split(',')) {
        let (key, value) = pair.split_once('=').ok_or_else(|| error(&format!("'{pair}' has no '='")))?;
        if key.is_empty() || value.is_empty() {
            return Err(error(&format!("'{pair}' lacks its key or its value")));
        }
        given.push((key.to_owned(), value.to_owned()));
    }
    Ok((name.to_owned(), given))
}

fn write(f: &mut fmt::Formatter<'_>, name: &str, given: &[(String, String)]) -> fmt::Result {
    f.write_str(name)?;
    for (i, (key, value)) in given.iter().enumerate() {
        write!(f, "{}{key}={value}", if i == 0 { ':' } else { ',' })?;
    }
    Ok(())
}

impl FromStr for EnvironmentSpec {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (text, replica) = match text.rsplit_once('#') {
            Some((text, replica)) => (text, Some(replica.to_owned())),
            None => (text, None),
        };
        parse(text).map(|(driver, given)| Self { driver, given, replica })
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
            Some(replica) => write!(f, "#{replica}"),
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

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in
            ["native", "native#null", "qemu:accel=tcg,machine=q35", "docker:runtime=runc,network=none"]
        {
            assert_eq!(text.parse::<EnvironmentSpec>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, why) in
            [("", "name is missing"), ("qemu:accel", "has no '='"), ("a b", "characters"), ("x:=1", "lacks")]
        {
            let error = text.parse::<EnvironmentSpec>().expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
