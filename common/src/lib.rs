//! What Rollcall's four programs share, and nothing else: a module enters when two programs need it.
//!
//! The node record has its one home here. Of HAProxy it knows one thing, `rollback_marks`; of templates nothing.

// The node record: the value and its bytes, the directory read, the directory written.
pub mod node;
pub mod nodes_directory;
pub mod records;

// What member-join and member-leave read.
pub mod consul;
pub mod event;
pub mod member_input;
pub mod members;

// Files.
pub mod lock;
pub mod regular_file;
pub mod replace;
pub mod rewrite;
pub mod rollback_marks;

// How a program runs: its options, its messages and exit code, the commands that it starts.
pub mod command;
pub mod duration;
pub mod failure;
pub mod messages;
pub mod time_limit;
