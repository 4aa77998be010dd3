//! The system call filter: a text table compiled to a BPF program.
//!
//! The table (`seccomp-default.txt`) states Docker's default profile as facts. It is compiled once by `seccompiler`, in
//! plain Rust, so no C library is needed; the program is handed to every container and loaded by its init process.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};
use std::collections::BTreeMap;
use std::io;
use std::str::FromStr;
use syscalls::Sysno;

/// Docker's default profile.
pub(super) const DEFAULT_TABLE: &str = include_str!("seccomp-default.txt");

/// What can be wrong with a table.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum SeccompError {
    /// A line that is not of the table's grammar.
    #[error("line {0} of the system call table is malformed")]
    Line(usize),
    /// The compiler refused the filter.
    #[error("the system call filter does not compile: {0}")]
    Compile(#[from] seccompiler::BackendError),
    /// This processor architecture has no filter compiler.
    #[error("no system call filters for the architecture {}", std::env::consts::ARCH)]
    Arch,
}

/// Compiles a table: EPERM for all it does not allow.
pub(super) fn compile(table: &str) -> Result<BpfProgram, SeccompError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut program = BpfProgram::new();
    for (index, line) in table.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["allow", names @ ..] => {
                rules.extend(names.iter().filter_map(|name| number(name)).map(|nr| (nr, Vec::new())));
            }
            ["allow-if", name, argument, condition @ ..] => {
                let rule = rule(argument, condition).ok_or(SeccompError::Line(index + 1))??;
                if let Some(nr) = number(name) {
                    rules.entry(nr).or_default().push(rule);
                }
            }
            ["errno", name, code] => {
                let code = errno(code).ok_or(SeccompError::Line(index + 1))?;
                if let Some(nr) = number(name) {
                    program.extend(u32::try_from(nr).ok().map(|nr| answer(nr, code)).into_iter().flatten());
                }
            }
            _ => return Err(SeccompError::Line(index + 1)),
        }
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| SeccompError::Arch)?;
    let default = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, default, SeccompAction::Allow, arch)?;
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// Loads a program into the calling thread. Needs `no_new_privs` or `CAP_SYS_ADMIN` in its user namespace.
pub(super) fn load(program: &[sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: the kernel copies the program, `len` instructions of the C layout, before the call returns.
    match unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn number(name: &str) -> Option<i64> {
    Sysno::from_str(name).ok().map(|call| i64::from(call.id()))
}

fn errno(code: &str) -> Option<u16> {
    match code {
        "ENOSYS" => u16::try_from(libc::ENOSYS).ok(),
        "EPERM" => u16::try_from(libc::EPERM).ok(),
        _ => code.parse().ok(),
    }
}

/// `argN` and `OP VALUE`; a `SeccompFilter` knows one errno only, so other answers are put in front of it by [`answer`].
fn rule(argument: &str, condition: &[&str]) -> Option<Result<SeccompRule, SeccompError>> {
    let argument: u8 = argument.strip_prefix("arg")?.parse().ok()?;
    let (operator, value) = match condition {
        ["<", value] => (SeccompCmpOp::Lt, integer(value)?),
        ["=", value] => (SeccompCmpOp::Eq, integer(value)?),
        [">", value] => (SeccompCmpOp::Gt, integer(value)?),
        ["&", mask, "=", value] => (SeccompCmpOp::MaskedEq(integer(mask)?), integer(value)?),
        _ => return None,
    };
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value);
    Some(condition.and_then(|condition| SeccompRule::new(vec![condition])).map_err(SeccompError::from))
}

fn integer(text: &str) -> Option<u64> {
    text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())
}

/// `if nr == NR return ERRNO|code`, as three instructions. System call numbers of this kind are the same on all architectures.
fn answer(nr: u32, code: u16) -> [sock_filter; 3] {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let give = libc::BPF_RET | libc::BPF_K;
    let op = |code: u32, jf: u8, k: u32| sock_filter { code: code as u16, jt: 0, jf, k };
    [op(load, 0, 0), op(jump, 1, nr), op(give, 0, libc::SECCOMP_RET_ERRNO | u32::from(code))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compiles_to_a_program_that_a_kernel_takes() {
        let program = compile(DEFAULT_TABLE).expect("compiles");
        assert!((100..4096).contains(&program.len()), "{}", program.len());
    }

    #[test]
    fn a_bad_line_is_named() {
        for bad in ["permit read", "allow-if clone arg9x = 0", "errno clone3 EWHAT"] {
            let error = compile(&format!("# fine\nallow read\n{bad}\n")).expect_err("refused");
            assert!(matches!(error, SeccompError::Line(3)), "{bad}: {error}");
        }
    }
}
