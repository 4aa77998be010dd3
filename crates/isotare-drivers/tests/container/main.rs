//! Tests of the drivers `container` and `ladder` on the real kernel. They need root and a static agent
//! (`ISOTARE_AGENT`, or one built in the workspace's target folder). Without these they print a message and
//! pass.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "tests tell why they are skipped")]

mod failure;
mod field;
mod ladder;
mod life;
mod rootless;
