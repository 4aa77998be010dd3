//! The driver `container` on the real kernel. Needs root and a static agent (`ISOTARE_AGENT`, or one built in the
//! workspace's target folder); says so and passes otherwise.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "tests tell why they are skipped")]

mod failure;
mod field;
mod life;
mod rootless;
