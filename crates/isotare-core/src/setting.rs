//! Settings: the `key=value` pairs of drivers and workloads, checked against what each declares.

use crate::ImageReference;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One setting that a driver or workload knows.
#[derive(Clone, Debug)]
pub struct SettingDef {
    /// The key.
    pub key: &'static str,
    /// Its possible values.
    pub kind: Kind,
    /// The default value, in the text form that [`Kind::parse`] reads. `None`: the setting is optional.
    pub default: Option<&'static str>,
    /// One line for help pages.
    pub help: &'static str,
}

/// Type of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A whole number from a range, both ends included.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A positive real number.
    Number,
    /// Bytes: `4096`, `16K`, `1M`, `2GiB` (powers of 1024).
    Size,
    /// A length of time: `250ms`, `2s`, `5m`; a bare number is seconds.
    Duration,
    /// `true` or `false`.
    Flag,
    /// Any text that is not empty.
    Text,
    /// An image: see [`crate::ImageReference`].
    Image,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// A checked value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// Of [`Kind::Integer`], [`Kind::Size`] (bytes).
    Integer(u64),
    /// Of [`Kind::Number`], [`Kind::Duration`] (seconds).
    Number(f64),
    /// Of [`Kind::Text`], [`Kind::Image`] and [`Kind::Choice`].
    Text(String),
}

/// A key or value that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No such key.
    #[error("unknown setting '{key}' of {owner}; known settings: {known}")]
    UnknownKey {
        /// The owner of the settings, such as `driver qemu`.
        owner: String,
        /// The key.
        key: String,
        /// The known keys.
        known: String,
    },
    /// A value of the wrong type.
    #[error("setting '{key}' of {owner} cannot be '{value}'; it has to be {expected}")]
    BadValue {
        /// The owner of the settings.
        owner: String,
        /// The key.
        key: String,
        /// The text given.
        value: String,
        /// The possible values.
        expected: String,
    },
    /// A key given twice.
    #[error("setting '{key}' of {owner} is given twice")]
    Repeated {
        /// The owner of the settings.
        owner: String,
        /// The key.
        key: String,
    },
}

/// Checked settings by key. Those given by the user come first in a label; defaults are filled in by
/// [`Settings::check`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<String, Value>);

impl Kind {
    /// Reads a value; `None` if the text is not of this kind.
    pub fn parse(&self, text: &str) -> Option<Value> {
        match self {
            Kind::Integer { min, max } => {
                text.parse().ok().filter(|n| (min..=max).contains(&n)).map(Value::Integer)
            }
            Kind::Number => text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0).map(Value::Number),
            Kind::Size => parse_size(text).map(Value::Integer),
            Kind::Duration => parse_seconds(text).map(Value::Number),
            Kind::Flag => text.parse().ok().map(Value::Flag),
            Kind::Text => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
            Kind::Image => text.parse::<ImageReference>().ok().map(|_| Value::Text(text.to_owned())),
            Kind::Choice(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Integer { min, max: u64::MAX } => write!(f, "a whole number from {min}"),
            Kind::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Kind::Number => write!(f, "a positive number"),
            Kind::Size => write!(f, "a size such as 4096, 16K or 1G"),
            Kind::Duration => write!(f, "a time such as 250ms or 2s"),
            Kind::Flag => write!(f, "true or false"),
            Kind::Text => write!(f, "a text"),
            Kind::Image => write!(f, "an image: {}", ImageReference::FORMS),
            Kind::Choice(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(value) => value.fmt(f),
            Value::Integer(value) => value.fmt(f),
            Value::Number(value) => value.fmt(f),
            Value::Text(value) => value.fmt(f),
        }
    }
}

impl Settings {
    /// Checks pairs of key and text against `defs` and fills in the defaults. `owner` is named in errors.
    pub fn check<'a>(
        owner: &str,
        defs: &[SettingDef],
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SettingError> {
        let mut settings = BTreeMap::new();
        for (key, text) in given {
            let owner = owner.to_owned();
            let Some(def) = defs.iter().find(|def| def.key == key) else {
                let known = match defs {
                    [] => "none".to_owned(),
                    defs => defs.iter().map(|def| def.key).collect::<Vec<_>>().join(", "),
                };
                return Err(SettingError::UnknownKey { owner, key: key.to_owned(), known });
            };
            let Some(value) = def.kind.parse(text) else {
                let (value, expected) = (text.to_owned(), def.kind.to_string());
                return Err(SettingError::BadValue { owner, key: key.to_owned(), value, expected });
            };
            if settings.insert(key.to_owned(), value).is_some() {
                return Err(SettingError::Repeated { owner, key: key.to_owned() });
            }
        }
        for def in defs {
            if let Some(value) = def.default.and_then(|text| def.kind.parse(text)) {
                settings.entry(def.key.to_owned()).or_insert(value);
            }
        }
        Ok(Self(settings))
    }

    /// The value of a key, if set.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// A whole number or size.
    pub fn integer(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// A real number, or a duration in seconds.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// A duration.
    pub fn duration(&self, key: &str) -> Option<std::time::Duration> {
        self.number(key).and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
    }

    /// A text or choice.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(value) => Some(value),
            _ => None,
        }
    }

    /// A flag; unset is false.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Value::Flag(true)))
    }

    /// Every key and value, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn parse_seconds(text: &str) -> Option<f64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let (times, parts) = match unit {
        "" | "s" => (1.0, 1.0),
        "us" => (1.0, 1e6),
        "ms" => (1.0, 1e3),
        "m" | "min" => (60.0, 1.0),
        "h" => (3600.0, 1.0),
        _ => return None,
    };
    number.parse::<f64>().ok().map(|n| n * times / parts).filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFS: &[SettingDef] = &[
        SettingDef { key: "accel", kind: Kind::Choice(&["tcg", "kvm"]), default: Some("tcg"), help: "" },
        SettingDef { key: "size", kind: Kind::Size, default: None, help: "" },
        SettingDef { key: "time", kind: Kind::Duration, default: Some("250ms"), help: "" },
    ];

    #[test]
    fn values_are_typed_and_defaults_filled_in() {
        let settings = Settings::check("driver x", DEFS, [("size", "16K")]).expect("valid");
        assert_eq!(settings.integer("size"), Some(16 << 10));
        assert_eq!(settings.text("accel"), Some("tcg"));
        assert_eq!(settings.number("time"), Some(0.25));
    }

    #[test]
    fn errors_name_the_owner_the_key_the_value_and_the_remedy() {
        let error = |pairs: &[(&str, &str)]| {
            Settings::check("driver x", DEFS, pairs.iter().copied()).expect_err("refused").to_string()
        };
        assert_eq!(
            error(&[("acel", "kvm")]),
            "unknown setting 'acel' of driver x; known settings: accel, size, time"
        );
        assert_eq!(
            error(&[("accel", "xen")]),
            "setting 'accel' of driver x cannot be 'xen'; it has to be one of tcg, kvm"
        );
        assert_eq!(error(&[("size", "1"), ("size", "2")]), "setting 'size' of driver x is given twice");
    }

    #[test]
    fn sizes_and_times_are_read_in_the_usual_spellings() {
        for (text, bytes) in [("0", 0), ("1k", 1024), ("2GiB", 2 << 30), ("3MB", 3 << 20)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        assert_eq!((parse_size("1X"), parse_size("-1"), parse_size("99999999T")), (None, None, None));
        for (text, seconds) in [("1.5", 1.5), ("250ms", 0.25), ("2m", 120.0), ("10us", 1e-5)] {
            assert_eq!(parse_seconds(text), Some(seconds), "{text}");
        }
        assert_eq!((parse_seconds("fast"), parse_seconds("1d"), parse_seconds("")), (None, None, None));
    }
}
