//! The interface to the counters that the host has of a running instance.

use crate::{Cause, Footprint, Role, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Reads counters of a footprint. One sampler is used for one measured window.
pub trait Sampler: Send {
    /// Reads everything once. Values are as the kernel gives them; counters are not yet differences. What
    /// cannot be read is omitted, and is never reported as zero.
    fn read(
        &mut self,
        footprint: &Footprint,
        at: Timestamp,
        out: &mut Vec<Reading>,
    ) -> Result<(), SamplerError>;
}

/// One value at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// Name of the metric.
    pub metric: Cow<'static, str>,
    /// Whose; `None`: of the whole host or cgroup.
    pub role: Option<Role>,
    /// The value, in the metric's unit.
    pub value: f64,
}

/// Counters that could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("read {subject}")]
pub struct SamplerError {
    /// Which file or interface.
    pub subject: String,
    /// Why.
    pub source: Cause,
}
