//! The system call filter, compiled to a BPF program.
//!
//! The table of rules is compiled once by `seccompiler`, in plain Rust, so no C library is needed; the
//! program is handed to every container and loaded by its init process.

#![expect(unsafe_code, reason = "seccomp(2) takes a program of C")]

use crate::oci::syscalls::{BadLine, Comparison, Condition, Rule, default_rules};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};
use std::collections::BTreeMap;
use std::io;
use std::str::FromStr;
use syscalls::Sysno;

/// What can be wrong with a filter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeccompError {
    /// The table of system calls.
    #[error(transparent)]
    Table(#[from] BadLine),
    /// The compiler refused the filter.
    #[error("the system call filter does not compile")]
    Compile(#[from] seccompiler::BackendError),
    /// This processor architecture has no filter compiler.
    #[error("no system call filters for the architecture {}", std::env::consts::ARCH)]
    Arch,
}

/// Compiles the default table: EPERM for all it does not allow.
pub(crate) fn compile() -> Result<BpfProgram, SeccompError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut program = BpfProgram::new();
    for entry in default_rules()? {
        match entry {
            Rule::Allow(names) => {
                rules.extend(names.into_iter().filter_map(number).map(|nr| (nr, Vec::new())));
            }
            Rule::AllowIf(name, condition) => {
                if let Some(nr) = number(name) {
                    rules.entry(nr).or_default().push(rule(condition)?);
                }
            }
            // A `SeccompFilter` supports only one errno, so other answers are put in front of it.
            Rule::Errno(name, code) => {
                let nr = number(name).and_then(|nr| u32::try_from(nr).ok());
                program.extend(nr.map(|nr| answer(nr, code)).into_iter().flatten());
            }
        }
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| SeccompError::Arch)?;
    let default = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, default, SeccompAction::Allow, arch)?;
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// Loads a program into the calling thread. Needs `no_new_privs` or `CAP_SYS_ADMIN` in its user namespace.
pub(crate) fn load(program: &[sock_filter]) -> io::Result<()> {
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

fn rule(Condition { argument, comparison }: Condition) -> Result<SeccompRule, seccompiler::BackendError> {
    let (operator, value) = match comparison {
        Comparison::Less(value) => (SeccompCmpOp::Lt, value),
        Comparison::Equal(value) => (SeccompCmpOp::Eq, value),
        Comparison::Greater(value) => (SeccompCmpOp::Gt, value),
        Comparison::MaskedEqual(mask, value) => (SeccompCmpOp::MaskedEq(mask), value),
    };
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)?;
    SeccompRule::new(vec![condition])
}

/// `if nr == NR return ERRNO|code`, as three instructions. System call numbers of this kind are the same on
/// all architectures.
fn answer(nr: u32, code: u16) -> [sock_filter; 3] {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let give = libc::BPF_RET | libc::BPF_K;
    #[expect(clippy::cast_possible_truncation, reason = "all codes of classic BPF fit into a byte")]
    let op = |code: u32, jf: u8, k: u32| sock_filter { code: code as u16, jt: 0, jf, k };
    [op(load, 0, 0), op(jump, 1, nr), op(give, 0, libc::SECCOMP_RET_ERRNO | u32::from(code))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compiles_to_a_program_that_a_kernel_takes() {
        let program = compile().expect("compiles");
        assert!((100..4096).contains(&program.len()), "{}", program.len());
    }
}
