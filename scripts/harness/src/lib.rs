//! Real programs on loopback: Serf agents, HAProxy, the sample web app and load, for the demo, the tests of
//! the whole chain and the benchmarks.
//!
//! Nothing here stands in for anything: a test that passes has seen the real programs do it. Each run has
//! its own 127.A.B.0/24 and its own directory, so that any number of runs share a machine; and whatever way
//! a run ends, its guardian ends what it started and removes the directory.

mod error;
mod timer;

pub mod app;
pub mod backend;
pub mod balancer;
pub mod bed;
pub mod docker;
pub mod haproxy;
pub mod http;
pub mod load;
pub mod net;
pub mod netns;
pub mod poll;
pub mod process;
pub mod programs;
pub mod run;
pub mod serf;
pub mod stage;
pub mod visitor;
pub mod webapp;

pub use error::{Error, Result, system};
