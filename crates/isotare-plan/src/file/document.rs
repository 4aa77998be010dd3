//! Reads a TOML document: takes keys out of tables, with their positions, until no key is left.

use super::error::Problems;
use crate::suggest;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its place in the file.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    start: usize,
    end: usize,
}

impl<T> Located<T> {
    pub(super) fn new(value: T, span: Range<usize>) -> Self {
        Self { value, start: span.start, end: span.end }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Its place is no part of the schema.
impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A type that a value of the file can be read as.
pub(super) trait FromToml: Sized {
    /// Reads it; says what is wrong and returns `None` if it is something else. `key` names it in messages.
    fn read(value: &Spanned<DeValue<'_>>, key: &str, problems: &mut Problems<'_>) -> Option<Self>;
}

/// A table whose keys are taken one by one.
pub(super) struct Table<'d, 'i> {
    owner: &'static str,
    table: &'d DeTable<'i>,
    asked: Vec<&'static str>,
}

impl<'d, 'i> Table<'d, 'i> {
    /// `owner` names it in messages: `an experiment`, `[budget]`.
    pub(super) fn new(owner: &'static str, table: &'d DeTable<'i>) -> Self {
        Self { owner, table, asked: Vec::new() }
    }

    /// The value of a key; `None` if it is missing, or if it has an error, which is reported.
    pub(super) fn take<T: FromToml>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Located<T>> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        T::read(value, key, problems).map(|read| Located::new(read, value.span()))
    }

    /// A table inside this one, read by `read`.
    pub(super) fn take_table<T>(
        &mut self,
        key: &'static str,
        owner: &'static str,
        problems: &mut Problems<'_>,
        read: impl FnOnce(&mut Table<'_, '_>, &mut Problems<'_>) -> T,
    ) -> Option<Located<T>> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        let DeValue::Table(inner) = value.get_ref() else {
            wrong_type(value, key, "a table", &format!("write {owner} on a line of its own"), problems);
            return None;
        };
        let mut table = Table::new(owner, inner);
        let read = read(&mut table, problems);
        table.finish(problems);
        Some(Located::new(read, value.span()))
    }

    /// Reports every unknown key.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                problems.add(
                    key.span(),
                    format!("unknown key '{name}' in {}", self.owner),
                    "not known".to_owned(),
                    suggest::remedy(name, self.asked.iter().copied()),
                );
            }
        }
    }
}

/// Reports a value of the wrong type.
pub(super) fn wrong_type(
    value: &Spanned<DeValue<'_>>,
    key: &str,
    expected: &str,
    help: &str,
    problems: &mut Problems<'_>,
) {
    let message = format!("`{key}` cannot be {}", shown(value.get_ref()));
    problems.add(value.span(), message, format!("this has to be {expected}"), help.to_owned());
}

/// A value as messages show it: short values literally, others by their type.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() <= 60 => format!("'{text}'"),
        DeValue::String(_) => "this text".to_owned(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(items) if items.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The entries of a table in the order of the file.
pub(super) fn in_order<'d, 'i>(
    table: &'d DeTable<'i>,
) -> Vec<(&'d Spanned<Cow<'i, str>>, &'d Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}
