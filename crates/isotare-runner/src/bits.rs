//! What a job ran, bit for bit, as the instance has it.

use crate::trial::{TrialError, TrialWork};
use isotare_core::Deadline;
use isotare_host::AgentClient;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// First part of the names of these facts, before the program's path.
const PROGRAM: &str = "program:";

/// A fact for the program of a workload: what it and the files that it loads hash to. None where it is compiled into the
/// agent, whose own hash is a fact already.
pub(crate) fn facts(
    agent: &mut AgentClient,
    work: &TrialWork<'_>,
    deadline: &Deadline,
) -> Result<BTreeMap<String, String>, TrialError> {
    let files = work.workload.programs(work.settings);
    let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let Some(program) = files.first().cloned() else { return Ok(BTreeMap::new()) };
    let hashes = agent.hashes(files, deadline)?;
    Ok(BTreeMap::from([(format!("{PROGRAM}{program}"), described(&hashes))]))
}

/// As in `3f2a…; 11 files 77aa…`: the program, then what it loads, together.
fn described(hashes: &[Option<String>]) -> String {
    let Some((program, loaded)) = hashes.split_first() else { return "unknown".to_owned() };
    let program = program.as_deref().unwrap_or("not at this path");
    if loaded.is_empty() {
        return program.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    loaded.hash(&mut hasher);
    let absent = loaded.iter().filter(|hash| hash.is_none()).count();
    let absent = if absent > 0 { format!(", {absent} not there") } else { String::new() };
    format!("{program}; {} files {:016x}{absent}", loaded.len(), hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bits_and_missing_files_show() {
        let of = |hashes: &[&str]| {
            described(
                &hashes.iter().map(|hash| (!hash.is_empty()).then(|| (*hash).to_owned())).collect::<Vec<_>>(),
            )
        };
        assert_eq!(of(&["ab"]), "ab");
        assert_eq!(of(&["ab", "1", "2"]), of(&["ab", "1", "2"]));
        assert_ne!(of(&["ab", "1", "2"]), of(&["ab", "1", "3"]));
        assert!(of(&["ab", "1", ""]).ends_with(", 1 not there"));
        assert!(of(&["", "1"]).starts_with("not at this path; 1 files "));
    }
}
