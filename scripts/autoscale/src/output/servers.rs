//! The list of servers, fewest sessions first: stopping the first one that is not draining disturbs the fewest visitors.

use std::collections::BTreeMap;

use crate::sizing::look::{Server, ServerState};

/// A line `NAME STATE SESSIONS` for each server. Among servers with equally many sessions, those that are not up come first.
pub(crate) fn servers(servers: &BTreeMap<String, Server>) -> String {
    let mut sorted: Vec<&Server> = servers.values().collect();
    sorted.sort_by_key(|server| (server.sessions, server.state == ServerState::Up));
    let line = |server: &&Server| format!("{} {} {}\n", server.name, server.state.word(), server.sessions);
    sorted.iter().map(line).collect()
}
