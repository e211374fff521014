//! Real Serf agents, HAProxy, sample web apps and load on loopback, for the demo, the tests of the whole chain and
//! the benchmarks, and the charts of what they measured.
//!
//! Nothing is mocked: every test runs the real programs. Each run has its own 127.A.B.0/24 and its own directory, so
//! any number of runs can share a machine. However a run ends, its guardian ends the processes that the run started
//! and removes the directory.
//!
//! Each module uses only those above it in this list.

pub mod chart;

pub mod run;
pub mod traffic;

pub mod network;

pub mod daemons;

pub mod cluster;

pub use run::error::{Error, Result, system};
