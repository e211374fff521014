//! What Rollcall's programs share. A module belongs here only if two programs need it.
//!
//! Only `config_sections`, `haproxy_socket`, `servers_state` and `rollback_marks` are about HAProxy. Nothing here is about templates.

// Node records: one record, reading the directory, writing the directory.
pub mod node;
pub mod nodes_directory;
pub mod records;

// The input of member-join and member-leave. A new source of members goes beside consul and serf_list.
pub mod consul;
pub mod event;
pub mod member_input;
pub mod members;
pub mod plain_list;
mod record_name;
pub mod serf_list;

// HAProxy's configuration, its sockets, and one of their answers.
pub mod config_sections;
pub mod haproxy_socket;
pub mod ip_address;
pub mod servers_state;
pub mod text_lines;

// Files.
pub mod lock;
pub mod regular_file;
pub mod replace;
pub mod rewrite;
pub mod rollback_marks;

// How a program runs: options, messages, exit code, and the commands that it starts.
pub mod command;
pub mod command_line;
pub mod duration;
pub mod failure;
pub mod halves;
pub mod messages;
pub mod time_limit;
