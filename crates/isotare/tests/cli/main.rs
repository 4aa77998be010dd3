//! Tests of the program as a user runs it: contracts, wrong input, interrupts, and what is left afterwards.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod across;
mod contract;
mod ends;
mod images;
mod import;
mod input;
mod limits;
mod neighbours;
mod others;
mod output;
mod place;
mod resume;
mod same_work;
mod scenarios;
mod selftest;
