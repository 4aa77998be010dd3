//! The report as JSON: the fields of [`crate::Report`], see there.

use crate::RenderError;
use serde::Serialize;

/// A report as JSON. A number that is not finite, such as the end of an interval without a bound, is `null`.
pub(crate) fn render(report: &impl Serialize) -> Result<String, RenderError> {
    let mut text = serde_json::to_string_pretty(report).map_err(RenderError::Json)?;
    text.push('\n');
    Ok(text)
}
