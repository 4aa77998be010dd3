//! Hashes of the program that a job ran, as the instance has it.

use crate::trial::{TrialError, TrialWork};
use isotare_core::{Deadline, Sha256};
use isotare_host::AgentClient;
use std::collections::BTreeMap;

/// First part of the names of these facts, before the program's path.
const PROGRAM: &str = "program:";

/// A fact about the program of a workload: the hashes of the program and of the files that it loads. None if
/// the workload is compiled into the agent, whose own hash is already a fact.
pub(crate) fn facts(
    agent: &mut AgentClient,
    work: &TrialWork<'_>,
    deadline: &Deadline,
) -> Result<BTreeMap<String, String>, TrialError> {
    let files = work.workload.programs(work.settings);
    let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let Some(program) = files.first().cloned() else { return Ok(BTreeMap::new()) };
    let hashes = agent.hashes(files.clone(), deadline)?;
    let sums: Vec<_> = files.into_iter().zip(hashes).collect();
    Ok(BTreeMap::from([(format!("{PROGRAM}{program}"), described(&sums))]))
}

/// As in `3f2a…; 11 files 77aa…`: the SHA-256 sum of the program, then that of the list that `sha256sum`
/// prints of the files that it loads, in their order (`sha256sum FILE… | sha256sum`).
fn described(sums: &[(String, Option<String>)]) -> String {
    let Some(((_, program), loaded)) = sums.split_first() else { return "unknown".to_owned() };
    let program = program.as_deref().unwrap_or("not at this path");
    if loaded.is_empty() {
        return program.to_owned();
    }
    let mut list = Sha256::default();
    for (path, sum) in loaded {
        if let Some(sum) = sum {
            list.update(format!("{sum}  {path}\n"));
        }
    }
    let absent = loaded.iter().filter(|(_, sum)| sum.is_none()).count();
    let absent = if absent > 0 { format!(", {absent} not there") } else { String::new() };
    format!("{program}; {} files {}{absent}", loaded.len(), list.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_bits_and_missing_files_change_the_description() {
        let of = |hashes: &[&str]| {
            let sum = |hash: &&str| ("/lib".to_owned(), (!hash.is_empty()).then(|| (*hash).to_owned()));
            described(&hashes.iter().map(sum).collect::<Vec<_>>())
        };
        assert_eq!(of(&["ab"]), "ab");
        assert_eq!(of(&["ab", "1", "2"]), of(&["ab", "1", "2"]));
        assert_ne!(of(&["ab", "1", "2"]), of(&["ab", "1", "3"]));
        assert!(of(&["ab", "1", ""]).ends_with(", 1 not there"));
        assert!(of(&["", "1"]).starts_with("not at this path; 1 files "));
    }
}
