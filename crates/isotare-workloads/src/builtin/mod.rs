//! The workloads compiled into the agent. The names and settings are shortened forms of sysbench's, except
//! for `network` and `tcp-echo`.

mod cpu;
mod echo;
mod fileio;
mod memory;
mod mutex;
mod network;
mod report;
mod schedule;
mod threads;

pub use cpu::Cpu;
pub use echo::TcpEcho;
pub use fileio::Fileio;
pub use memory::Memory;
pub use mutex::Mutex;
pub use network::Network;
pub use threads::Threads;

#[cfg(test)]
mod doctored;
