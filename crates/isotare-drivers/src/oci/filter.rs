//! The table of system calls as an OCI runtime specification has it, for runtimes that load the filter
//! themselves.

use super::spec::Built;
use super::syscalls::{self, Comparison, Condition, Rule};
use libcontainer::oci_spec::OciSpecError;
use libcontainer::oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder,
    LinuxSeccompOperator, LinuxSyscallBuilder,
};

/// Builds the filter: EPERM for all that the table does not allow.
pub(super) fn build() -> Built<LinuxSeccomp> {
    let rules = syscalls::default_rules().map_err(|bad| OciSpecError::Other(bad.to_string()))?;
    let allow = || LinuxSyscallBuilder::default().action(LinuxSeccompAction::ScmpActAllow);
    let calls = rules.into_iter().map(|rule| match rule {
        Rule::Allow(names) => allow().names(names.into_iter().map(str::to_owned).collect::<Vec<_>>()).build(),
        Rule::AllowIf(name, condition) => {
            allow().names([name.to_owned()]).args([argument(condition)?]).build()
        }
        Rule::Errno(name, code) => LinuxSyscallBuilder::default()
            .action(LinuxSeccompAction::ScmpActErrno)
            .names([name.to_owned()])
            .errno_ret(u32::from(code))
            .build(),
    });
    let filter = LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(libc::EPERM.cast_unsigned())
        .syscalls(calls.collect::<Built<Vec<_>>>()?);
    match std::env::consts::ARCH {
        "x86_64" => filter.architectures([Arch::ScmpArchX86_64]).build(),
        "aarch64" => filter.architectures([Arch::ScmpArchAarch64]).build(),
        // Without a list it is the runtime's own architecture.
        _ => filter.build(),
    }
}

fn argument(Condition { argument, comparison }: Condition) -> Built<LinuxSeccompArg> {
    use LinuxSeccompOperator as Op;
    let argument = LinuxSeccompArgBuilder::default().index(usize::from(argument));
    match comparison {
        Comparison::Less(value) => argument.op(Op::ScmpCmpLt).value(value),
        Comparison::Equal(value) => argument.op(Op::ScmpCmpEq).value(value),
        Comparison::Greater(value) => argument.op(Op::ScmpCmpGt).value(value),
        Comparison::MaskedEqual(mask, value) => argument.op(Op::ScmpCmpMaskedEq).value(mask).value_two(value),
    }
    .build()
}
