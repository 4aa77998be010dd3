//! The budget of every environment: the same CPUs, the same memory, and the same limit of processes.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// CPUs, memory and processes of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The CPUs that an instance is pinned to.
    pub cpus: CpuSet,
    /// Memory limit, bytes.
    pub memory: u64,
    /// Limit of processes and threads together (admin-guide/cgroup-v2.rst, "PID"); `None`: not limited, as in
    /// sessions that were made before there was a limit.
    #[serde(default)]
    pub processes: Option<u32>,
}

impl Budget {
    /// The default limit of processes.
    pub const PROCESSES: u32 = 1024;

    /// The limit of processes in words.
    pub fn processes_in_words(&self) -> String {
        self.processes.map_or_else(|| "not limited".to_owned(), |limit| limit.to_string())
    }
}

/// A set of CPU numbers, written as the kernel writes it: `0-1,4`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CpuSet(BTreeSet<u32>);

/// A text that is not a list of CPUs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a list of CPUs; write it as 0, 0-3 or 0,2")]
pub struct CpuSetError(String);

impl CpuSet {
    /// The set of these CPUs; `None` if there are none.
    pub fn new(cpus: impl IntoIterator<Item = u32>) -> Option<Self> {
        let cpus: BTreeSet<u32> = cpus.into_iter().collect();
        (!cpus.is_empty()).then_some(Self(cpus))
    }

    /// How many.
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Each, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// Whether every CPU of this set is also in `other`.
    pub fn is_subset(&self, other: &CpuSet) -> bool {
        self.0.is_subset(&other.0)
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut first = true;
        while let Some(start) = cpus.next() {
            let mut end = start;
            while let Some(next) = cpus.next_if(|&next| next == end + 1) {
                end = next;
            }
            let comma = if std::mem::take(&mut first) { "" } else { "," };
            match end == start {
                true => write!(f, "{comma}{start}")?,
                false => write!(f, "{comma}{start}-{end}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for CpuSet {
    type Err = CpuSetError;

    fn from_str(text: &str) -> Result<Self, CpuSetError> {
        let error = || CpuSetError(text.to_owned());
        let mut cpus = BTreeSet::new();
        for part in text.trim().split(',') {
            let (start, end) = part.split_once('-').unwrap_or((part, part));
            let start: u32 = start.trim().parse().map_err(|_| error())?;
            let end: u32 = end.trim().parse().map_err(|_| error())?;
            if start > end || end > 65_535 {
                return Err(error());
            }
            cpus.extend(start..=end);
        }
        Self::new(cpus).ok_or_else(error)
    }
}

impl From<CpuSet> for String {
    fn from(set: CpuSet) -> String {
        set.to_string()
    }
}

impl TryFrom<String> for CpuSet {
    type Error = CpuSetError;
    fn try_from(text: String) -> Result<Self, CpuSetError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written_as_the_kernel_does() {
        for (text, canonical) in [("0", "0"), ("0-1", "0-1"), ("0,1,2,5", "0-2,5"), (" 3,1 ", "1,3")] {
            assert_eq!(text.parse::<CpuSet>().expect(text).to_string(), canonical);
        }
        for bad in ["", "a", "2-1", "0-", "-1", "0-99999999"] {
            assert!(bad.parse::<CpuSet>().is_err(), "{bad}");
        }
    }
}
