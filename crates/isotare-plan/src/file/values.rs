//! The types of values in an experiment file: how each is read, and its JSON Schema.

use super::document::{FromToml, Located, wrong_type};
use super::error::Problems;
use super::given::Given;
use isotare_core::{CpuSet, Kind, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

/// A fraction between 0 and 1, both excluded: `0.02` or `"2%"`.
pub(crate) struct Fraction(pub(super) f64);
/// A fraction from 0 to 1, both included: `0.25`, `"25%"` or `0`.
pub(crate) struct Share(pub(super) f64);
/// A length of time: a number of seconds or a text such as `"5m"`.
pub(crate) struct Seconds(pub(super) f64);
/// Bytes: a number or a text such as `"1G"`.
pub(crate) struct Size(pub(super) u64);
/// CPU numbers: `"0-1"`, or the number of one.
pub(crate) struct CpuList(pub(super) CpuSet);
/// An image: `"debian:sysbench"`.
pub(crate) struct ImageEntry(pub(super) String);
/// An environment: `"qemu:accel=tcg"` or `{driver = "qemu", accel = "tcg"}`. `None`: it had an error, which
/// was reported.
pub(crate) struct EnvironmentEntry(pub(super) Option<Given>);
/// A `[[workload]]` table. `None`: it had an error, which was reported.
pub(crate) struct WorkloadEntry(pub(super) Option<Given>);

type Toml<'i> = Spanned<DeValue<'i>>;

fn whole(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => whole(number).map(|number| number as f64),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

/// A single value in the text form that settings have; `None` for lists, tables and dates.
pub(super) fn as_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => whole(number).map(|number| number.to_string()),
        DeValue::Float(_) => number(value).map(|number| number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// Reads a value by the rules of a setting's kind.
fn by_kind(
    value: &Toml<'_>,
    kind: &Kind,
    key: &str,
    example: &str,
    problems: &mut Problems<'_>,
) -> Option<Value> {
    let read = as_text(value.get_ref()).and_then(|text| kind.parse(&text));
    if read.is_none() {
        wrong_type(value, key, &kind.to_string(), &format!("write {key} = {example}"), problems);
    }
    read
}

fn integer<T: TryFrom<i128>>(
    value: &Toml<'_>,
    key: &str,
    (expected, example): (&str, &str),
    problems: &mut Problems<'_>,
) -> Option<T> {
    let read = match value.get_ref() {
        DeValue::Integer(number) => whole(number).and_then(|number| T::try_from(number).ok()),
        _ => None,
    };
    if read.is_none() {
        wrong_type(value, key, expected, &format!("write {key} = {example}"), problems);
    }
    read
}

impl FromToml for String {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => {
                wrong_type(value, key, "a text", "put it in \"quotes\"", problems);
                None
            }
        }
    }
}

impl FromToml for bool {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => {
                wrong_type(value, key, "true or false", "write true or false, without quotes", problems);
                None
            }
        }
    }
}

impl FromToml for u32 {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        integer(value, key, ("a positive whole number", "20"), problems)
    }
}

impl FromToml for u64 {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        integer(value, key, ("a whole number from 0", "1"), problems)
    }
}

impl FromToml for f64 {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let read = number(value.get_ref());
        if read.is_none() {
            wrong_type(value, key, "a number", &format!("write {key} = 10, without quotes"), problems);
        }
        read
    }
}

/// A number, or a text with a per cent sign.
fn part(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::String(text) => Some(text.trim().strip_suffix('%')?.trim().parse::<f64>().ok()? / 100.0),
        other => number(other),
    }
}

impl FromToml for Fraction {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let read = part(value.get_ref()).filter(|fraction| *fraction > 0.0 && *fraction < 1.0);
        if read.is_none() {
            let help = match key {
                "level" => "write level = 0.95 or level = \"95%\"",
                _ => "write 0.02 or \"2%\"",
            };
            wrong_type(value, key, "a fraction between 0 and 1", help, problems);
        }
        read.map(Fraction)
    }
}

impl FromToml for Share {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let read = part(value.get_ref()).filter(|share| (0.0..=1.0).contains(share));
        if read.is_none() {
            wrong_type(value, key, "a fraction from 0 to 1", "write 0.25, \"25%\", or 0 for none", problems);
        }
        read.map(Share)
    }
}

impl FromToml for Seconds {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match by_kind(value, &Kind::Duration, key, "\"60s\"", problems)? {
            Value::Number(seconds) => Some(Seconds(seconds)),
            _ => None,
        }
    }
}

impl FromToml for Size {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match by_kind(value, &Kind::Size, key, "\"1G\"", problems)? {
            Value::Integer(bytes) => Some(Size(bytes)),
            _ => None,
        }
    }
}

impl FromToml for ImageEntry {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match by_kind(value, &Kind::Image, key, "\"host\"", problems) {
            Some(Value::Text(text)) => Some(Self(text)),
            _ => None,
        }
    }
}

impl FromToml for CpuList {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let text = match value.get_ref() {
            DeValue::String(_) | DeValue::Integer(_) => as_text(value.get_ref()),
            _ => None,
        };
        let read = text.and_then(|text| text.parse().ok());
        if read.is_none() {
            wrong_type(value, key, "a list of CPUs", "write it as \"0\", \"0-3\" or \"0,2\"", problems);
        }
        read.map(CpuList)
    }
}

impl<T: FromToml> FromToml for Vec<Located<T>> {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let DeValue::Array(items) = value.get_ref() else {
            let help = match key {
                "workload" => "write [[workload]] on a line of its own",
                _ => "write it as a list: [\"native\", \"container\"]",
            };
            wrong_type(value, key, "a list", help, problems);
            return None;
        };
        let read = |item: &Toml<'_>| T::read(item, key, problems).map(|read| Located::new(read, item.span()));
        Some(items.iter().filter_map(read).collect())
    }
}

impl FromToml for EnvironmentEntry {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        Some(Self(Given::environment(value, key, problems)))
    }
}

impl FromToml for WorkloadEntry {
    fn read(value: &Toml<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Self> {
        Some(Self(Given::workload(value, key, problems)))
    }
}

/// The JSON Schema of values of a setting's kind.
pub(crate) fn kind_schema(kind: &Kind) -> Schema {
    match kind {
        Kind::Integer { min, max: u64::MAX } => json_schema!({"type": "integer", "minimum": min}),
        Kind::Integer { min, max } => json_schema!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Number => json_schema!({"type": "number", "exclusiveMinimum": 0}),
        Kind::Size => json_schema!({
            "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+([kKmMgGtT]([iI]?[bB])?|[bB])?$",
        }),
        Kind::Duration => json_schema!({
            "type": ["number", "string"], "minimum": 0, "pattern": "^[0-9.]+(us|ms|s|m|min|h)?$",
        }),
        Kind::Flag => json_schema!({"type": "boolean"}),
        Kind::Text | Kind::Image => json_schema!({"type": "string", "minLength": 1}),
        Kind::Choice(words) => json_schema!({"type": "string", "enum": words}),
    }
}

macro_rules! schema {
    ($type:ident, $schema:expr) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}
schema!(Seconds, kind_schema(&Kind::Duration));
schema!(Size, kind_schema(&Kind::Size));
schema!(ImageEntry, kind_schema(&Kind::Image));
schema!(
    CpuList,
    json_schema!({"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"})
);
schema!(
    Fraction,
    json_schema!({
        "type": ["number", "string"], "exclusiveMinimum": 0, "exclusiveMaximum": 1, "pattern": "^[0-9.]+ *%$",
    })
);
schema!(
    Share,
    json_schema!({"type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": "^[0-9.]+ *%$"})
);
// Their content depends on the known drivers and workloads; `json_schema` fills it in.
schema!(EnvironmentEntry, json_schema!({}));
schema!(WorkloadEntry, json_schema!({}));
