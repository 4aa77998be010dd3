//! Rows as a Parquet file, one column of the file after the other.

use super::rows::{Row, rows};
use super::{ExportScope, Record};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use std::io::Write;
use std::sync::Arc;

/// Rows of a row group: some tens of MiB in memory.
const GROUP: usize = 100_000;

/// A column: its name, and how it is found in a row.
struct Column {
    name: &'static str,
    value: Value,
}

/// Where a column's values come from; all but flags and `Whole` may be absent.
enum Value {
    Text(fn(&Row<'_>) -> Option<String>),
    Whole(fn(&Row<'_>) -> i64),
    MaybeWhole(fn(&Row<'_>) -> Option<i64>),
    Number(fn(&Row<'_>) -> Option<f64>),
    Flag(fn(&Row<'_>) -> bool),
}

const fn column(name: &'static str, value: Value) -> Column {
    Column { name, value }
}

/// In the order of [`Row`]'s fields.
const COLUMNS: &[Column] = &[
    column("session", Value::Text(|row| Some(row.session.to_owned()))),
    column("trial", Value::Whole(|row| row.trial.into())),
    column("block", Value::Whole(|row| row.block.into())),
    column("environment", Value::Text(|row| Some(row.environment.clone()))),
    column("is_baseline", Value::Flag(|row| row.is_baseline)),
    column("workload", Value::Text(|row| Some(row.workload.to_owned()))),
    column("parameters", Value::Text(|row| Some(row.parameters.clone()))),
    column("outcome", Value::Text(|row| word(row.outcome))),
    column("reason", Value::Text(|row| row.reason.map(str::to_owned))),
    column("stdout_bytes", Value::MaybeWhole(|row| row.stdout_bytes.map(u64::cast_signed))),
    column("stdout_sha256", Value::Text(|row| row.stdout_sha256.map(str::to_owned))),
    column("stderr_bytes", Value::MaybeWhole(|row| row.stderr_bytes.map(u64::cast_signed))),
    column("stderr_sha256", Value::Text(|row| row.stderr_sha256.map(str::to_owned))),
    column("kind", Value::Text(|row| Some(row.kind.to_owned()))),
    column("at_s", Value::Number(|row| Some(row.at_s))),
    column("role", Value::Text(|row| word(row.role))),
    column("metric", Value::Text(|row| Some(row.metric.clone()))),
    column("unit", Value::Text(|row| Some(row.unit.to_owned()))),
    column("better", Value::Text(|row| word(row.better))),
    column("value", Value::Number(|row| row.value)),
];

/// The word that a value has in JSON.
fn word(value: impl serde::Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

/// Writes the rows of these sessions.
pub(super) fn write(records: &[Record], scope: ExportScope, out: &mut (impl Write + Send)) -> Result<()> {
    let fields = COLUMNS.iter().map(field).collect::<Result<Vec<_>>>()?;
    let schema = Type::group_type_builder("isotare").with_fields(fields).build()?;
    let sessions: Vec<_> = records.iter().map(|record| &record.session).collect();
    let sessions =
        serde_json::to_string(&sessions).map_err(|error| ParquetError::External(Box::new(error)))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![KeyValue::new("isotare.sessions".to_owned(), sessions)]))
        .build();
    let mut file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
    let mut all = records.iter().flat_map(|record| rows(record, scope)).peekable();
    while all.peek().is_some() {
        let rows: Vec<Row<'_>> = all.by_ref().take(GROUP).collect();
        let mut group = file.next_row_group()?;
        for column in COLUMNS {
            if let Some(mut writer) = group.next_column()? {
                fill(&mut writer, &column.value, &rows)?;
                writer.close()?;
            }
        }
        group.close()?;
    }
    file.close()?;
    Ok(())
}

fn field(column: &Column) -> Result<Arc<Type>> {
    let (physical, logical, repetition) = match column.value {
        Value::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL),
        Value::Whole(_) => (Physical::INT64, None, Repetition::REQUIRED),
        Value::MaybeWhole(_) => (Physical::INT64, None, Repetition::OPTIONAL),
        Value::Number(_) => (Physical::DOUBLE, None, Repetition::OPTIONAL),
        Value::Flag(_) => (Physical::BOOLEAN, None, Repetition::REQUIRED),
    };
    let field = Type::primitive_type_builder(column.name, physical);
    Ok(Arc::new(field.with_logical_type(logical).with_repetition(repetition).build()?))
}

fn fill(writer: &mut SerializedColumnWriter<'_>, value: &Value, rows: &[Row<'_>]) -> Result<()> {
    match value {
        Value::Text(text) => {
            let (texts, levels) = present(rows.iter().map(text));
            let texts: Vec<ByteArray> = texts.iter().map(|text| ByteArray::from(text.as_str())).collect();
            writer.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None)?;
        }
        Value::Number(number) => {
            let (numbers, levels) = present(rows.iter().map(number));
            writer.typed::<DoubleType>().write_batch(&numbers, Some(&levels), None)?;
        }
        Value::MaybeWhole(whole) => {
            let (numbers, levels) = present(rows.iter().map(whole));
            writer.typed::<Int64Type>().write_batch(&numbers, Some(&levels), None)?;
        }
        Value::Whole(whole) => {
            let numbers: Vec<i64> = rows.iter().map(whole).collect();
            writer.typed::<Int64Type>().write_batch(&numbers, None, None)?;
        }
        Value::Flag(flag) => {
            let flags: Vec<bool> = rows.iter().map(flag).collect();
            writer.typed::<BoolType>().write_batch(&flags, None, None)?;
        }
    }
    Ok(())
}

/// Values that are there, and for each row whether it has one: Parquet's definition levels.
fn present<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
    let mut found = Vec::new();
    let levels = values
        .map(|value| {
            let level = i16::from(value.is_some());
            found.extend(value);
            level
        })
        .collect();
    (found, levels)
}
