//! `show stat` and the stats page's `;csv`: one table of comma-separated values.

use std::collections::BTreeMap;

use crate::daemons::haproxy::server::Server;

/// The servers of all backends in a table of statistics.
pub fn servers_in(statistics: &str) -> Vec<Server> {
    servers_of_rows(rows(statistics))
}

/// The servers among these rows.
pub(super) fn servers_of_rows(rows: Vec<BTreeMap<String, String>>) -> Vec<Server> {
    let servers = rows.into_iter().filter(|row| row.get("type").is_some_and(|kind| kind == "2"));
    servers.map(Server::from_row).collect()
}

/// The rows of the table, column to value.
pub(super) fn rows(statistics: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = statistics.lines().filter(|line| !line.is_empty());
    let head = lines.next().unwrap_or_default().trim_start_matches("# ");
    let columns: Vec<&str> = head.split(',').collect();
    let row = |line: &str| {
        let pairs = columns.iter().zip(line.split(','));
        pairs.map(|(column, value)| ((*column).to_owned(), value.to_owned())).collect()
    };
    lines.map(row).collect()
}
