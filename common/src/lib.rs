//! What Rollcall's four programs share, and nothing else: a module enters when two programs need it.
//!
//! It knows no HAProxy and no template. The node record has its one home here: `node` is the value and
//! its bytes, `records` reads the directory, `nodes_dir` writes it.

pub mod bounded;
pub mod consul;
pub mod event;
pub mod input;
pub mod lock;
pub mod members;
pub mod node;
pub mod nodes_dir;
pub mod records;
pub mod regular;
pub mod replace;
pub mod rewrite;
pub mod talk;
pub mod time_limit;
