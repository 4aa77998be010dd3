//! The workloads compiled into the agent. Their names and settings are sysbench's, made short.

mod cpu;
mod fileio;
mod memory;
mod mutex;
mod report;
mod schedule;
mod threads;

pub use cpu::Cpu;
pub use fileio::Fileio;
pub use memory::Memory;
pub use mutex::Mutex;
pub use threads::Threads;

#[cfg(test)]
mod doctored;
