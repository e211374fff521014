//! The servers, the one with the fewest sessions first: the first that is not draining costs least to stop.

use std::collections::BTreeMap;

use crate::sizing::look::{Server, ServerState};

/// A line `NAME STATE SESSIONS` for each server. Of those with equally few sessions, one that does not serve is first.
pub(crate) fn servers(servers: &BTreeMap<String, Server>) -> String {
    let mut sorted: Vec<&Server> = servers.values().collect();
    sorted.sort_by_key(|server| (server.sessions, server.state == ServerState::Up));
    let line = |server: &&Server| format!("{} {} {}\n", server.name, server.state.word(), server.sessions);
    sorted.iter().map(line).collect()
}
