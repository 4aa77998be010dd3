//! The table of system calls that a container may make: Docker's default profile, stated as facts in
//! `syscalls.txt`.

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// These are allowed.
    Allow(Vec<&'static str>),
    /// This one is allowed when an argument compares so; several such lines: any of them.
    AllowIf(&'static str, Condition),
    /// This one answers with an error of its own. What no line names answers EPERM.
    Errno(&'static str, u16),
}

/// A condition on one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Which argument, from 0.
    pub argument: u8,
    /// How it has to compare.
    pub comparison: Comparison,
}

/// A comparison of an argument with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Less.
    Less(u64),
    /// Equal.
    Equal(u64),
    /// Greater.
    Greater(u64),
    /// Equal after `and` with the first, the mask.
    MaskedEqual(u64, u64),
}

/// A line with a syntax error.
#[derive(Debug, thiserror::Error)]
#[error("line {0} of the system call table is malformed")]
pub(crate) struct BadLine(usize);

/// Docker's default profile.
pub(crate) fn default_rules() -> Result<Vec<Rule>, BadLine> {
    rules(include_str!("syscalls.txt"))
}

fn rules(table: &'static str) -> Result<Vec<Rule>, BadLine> {
    let lines = table.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(index, line)| rule(line).ok_or(BadLine(index + 1))).collect()
}

fn rule(line: &'static str) -> Option<Rule> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["allow", names @ ..] => Some(Rule::Allow(names.to_vec())),
        ["allow-if", name, argument, comparison @ ..] => {
            let argument = argument.strip_prefix("arg")?.parse().ok().filter(|&index| index < 6)?;
            let comparison = match comparison {
                ["<", value] => Comparison::Less(integer(value)?),
                ["=", value] => Comparison::Equal(integer(value)?),
                [">", value] => Comparison::Greater(integer(value)?),
                ["&", mask, "=", value] => Comparison::MaskedEqual(integer(mask)?, integer(value)?),
                _ => return None,
            };
            Some(Rule::AllowIf(name, Condition { argument, comparison }))
        }
        ["errno", name, code] => Some(Rule::Errno(name, errno(code)?)),
        _ => None,
    }
}

fn integer(text: &str) -> Option<u64> {
    text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())
}

fn errno(code: &str) -> Option<u16> {
    match code {
        "ENOSYS" => u16::try_from(libc::ENOSYS).ok(),
        "EPERM" => u16::try_from(libc::EPERM).ok(),
        _ => code.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_table_is_valid_and_a_bad_line_is_named() {
        assert!(default_rules().expect("well-formed").len() > 30);
        let condition = Condition { argument: 0, comparison: Comparison::MaskedEqual(0x7e, 0) };
        assert_eq!(
            rules("allow-if clone arg0 & 0x7e = 0").expect("valid"),
            [Rule::AllowIf("clone", condition)]
        );
        for bad in ["a\npermit read", "allow read\nallow-if clone arg9 = 0", "# fine\nerrno clone3 EWHAT"] {
            assert!(matches!(rules(bad), Err(BadLine(1 | 2))), "{bad}");
        }
    }
}
