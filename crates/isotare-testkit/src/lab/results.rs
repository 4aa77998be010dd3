//! Reads the results of a lab's steps from its serial line.

use super::{Lab, Step};

/// The result of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Went {
    began: u64,
    /// Exit status and time; `None`: it did not end.
    ended: Option<(i32, u64)>,
    tally: Vec<String>,
    output: String,
}

/// The lines of a lab for the tally of the host; the error says what failed.
pub(super) fn judge(lab: &Lab, text: &str) -> Result<Vec<String>, String> {
    let went = read(text);
    let mut lines = Vec::new();
    let mut failures = Vec::new();
    for (at, step) in lab.steps.iter().enumerate() {
        let Some(went) = went.get(at) else {
            failures.push(format!("'{}' was not begun", step.name()));
            continue;
        };
        match verdict(step, went) {
            Ok(found) => {
                lines.extend(found.into_iter().map(|line| format!("ran in lab {}: {line}", lab.name)))
            }
            Err(why) => failures.push(format!("'{}' {why}:\n{}", step.name(), tail(&went.output, 60))),
        }
    }
    if failures.is_empty() { Ok(lines) } else { Err(format!("lab {}: {}", lab.name, failures.join("\n"))) }
}

/// The lines for one step; the error says what is wrong with it.
fn verdict(step: &Step, went: &Went) -> Result<Vec<String>, String> {
    match went.ended {
        None => return Err("did not end".to_owned()),
        Some((0, _)) => {}
        Some((status, _)) => return Err(format!("ended with status {status}")),
    }
    let ran = |line: &String| line.strip_prefix("ran ").map(str::to_owned).ok_or_else(|| line.clone());
    let lines: Vec<String> = went.tally.iter().map(ran).collect::<Result<_, String>>()?;
    match step {
        Step::Conformance(_) if lines.is_empty() => Err("ran nothing".to_owned()),
        Step::Script(name, _) if lines.is_empty() => Ok(vec![(*name).to_owned()]),
        _ => Ok(lines),
    }
}

/// The steps that began, in order. Our lines begin with `@`. All other lines are output of the steps.
fn read(text: &str) -> Vec<Went> {
    let mut steps: Vec<Went> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match (words.as_slice(), steps.last_mut()) {
            (["@begin", _, second], _) => {
                steps.push(Went { began: second.parse().unwrap_or(0), ..Went::default() });
            }
            (["@end", status, second], Some(step)) => {
                step.ended = status.parse().ok().zip(second.parse().ok());
            }
            (["@tally", rest @ ..], Some(step)) => step.tally.push(rest.join(" ")),
            (_, Some(step)) => {
                step.output.push_str(line);
                step.output.push('\n');
            }
            (_, None) => {}
        }
    }
    steps
}

/// The duration of each step, in seconds of the lab's clock.
pub(super) fn durations(lab: &Lab, text: &str) -> String {
    let took = |(step, went): (&Step, Went)| {
        let seconds = went.ended.map(|(_, end)| end.saturating_sub(went.began));
        format!(
            "{} {}",
            step.name(),
            seconds.map_or("unfinished".to_owned(), |seconds| format!("{seconds} s"))
        )
    };
    lab.steps.iter().zip(read(text)).map(took).collect::<Vec<_>>().join(", ")
}

/// The last lines of a text.
pub(super) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Boot;
    use std::time::Duration;

    const LAB: Lab = Lab {
        name: "x",
        packages: &[],
        boot: Boot::Linux,
        machine: "q35",
        cpu: "max",
        cpus: 1,
        memory: 512,
        steps: &[Step::Script("a look", "true"), Step::Conformance("native")],
        deadline: Duration::from_secs(1),
    };

    #[test]
    fn tests_that_ran_are_listed_with_the_name_of_the_lab() {
        let text = "junk\n\n@begin 0 7\nhello\n\n@end 0 8\n\n@begin 1 8\nrunning 1 test\n\n\
                    @tally ran native: conformance, 13 rules\n@end 0 20\n@done\n";
        let lines = judge(&LAB, text).expect("all is well");
        assert_eq!(lines, ["ran in lab x: a look", "ran in lab x: native: conformance, 13 rules"]);
        assert_eq!(durations(&LAB, text), "a look 1 s, native 12 s");
    }

    #[test]
    fn failed_unfinished_and_skipped_steps_are_errors() {
        let why = |text: &str| judge(&LAB, text).expect_err("wrong");
        assert!(why("@begin 0 7\nno such file\n@end 1 8\n").contains("ended with status 1:\nno such file"));
        assert!(why("@begin 0 7\n@end 0 8\n").contains("'native' was not begun"));
        assert!(why("@begin 0 7\n@end 0 8\n@begin 1 8\n").contains("'native' did not end"));
        assert!(why("@begin 0 7\n@end 0 8\n@begin 1 8\n@end 0 9\n").contains("ran nothing"));
        let skipped = why("@begin 0 7\n@end 0 8\n@begin 1 8\n@tally skipped native: why\n@end 0 9\n");
        assert!(skipped.contains("'native' skipped native: why"), "{skipped}");
    }
}
