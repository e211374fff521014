//! The commands of a change, in an order that no request notices.
//!
//! A new server gets no request before its checks have passed: it is added with weight 0, marked DOWN, and
//! only then gets its weight. (Without weight 0, 7 of 150 servers added under load got requests before they
//! listened.) A removed server is put into maintenance: it gets no new requests, and current ones finish.

use std::net::SocketAddr;

use crate::config::server::ServerOptions;
use crate::haproxy::version::Version;
use crate::servers::change::{Action, Change};
use crate::servers::reason::Reason;

/// From 3.2 on HAProxy accepts a line up to its buffer's size, 16 KiB unless configured.
const LINE_MAX: usize = 12 << 10;
/// A command has at most 64 arguments.
const ARGUMENTS_MAX: usize = 60;

/// The commands of all changes, several to a line. Fails if a command has more arguments than HAProxy
/// accepts.
pub(crate) fn lines(changes: &[Change], version: Version) -> Result<Vec<String>, Reason> {
    let mut lines = vec![String::new()];
    for change in changes {
        let commands = change.commands(version);
        if commands.iter().any(|command| command.split(' ').count() > ARGUMENTS_MAX) {
            return Err(
                Reason::TooManyOptions.of_server(&change.server, &format!("backend {}", change.backend))
            );
        }
        push(&mut lines, &commands.join(";"));
    }
    lines.retain(|line| !line.is_empty());
    Ok(lines)
}

/// The commands that delete servers, which must be in maintenance.
pub(crate) fn deletions<'k>(keys: impl Iterator<Item = &'k str>) -> Vec<String> {
    let mut lines = vec![String::new()];
    keys.for_each(|key| push(&mut lines, &deletion(key)));
    lines.retain(|line| !line.is_empty());
    lines
}

/// The command that deletes a server, which must be in maintenance.
pub(crate) fn deletion(key: &str) -> String {
    format!("del server {key}")
}

fn push(lines: &mut Vec<String>, commands: &str) {
    match lines.last_mut() {
        Some(line) if line.is_empty() => line.push_str(commands),
        Some(line) if line.len() + 1 + commands.len() <= LINE_MAX => {
            line.push(';');
            line.push_str(commands);
        }
        _ => lines.push(commands.to_owned()),
    }
}

impl Change<'_> {
    /// The name of the server on the socket.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.backend, self.server)
    }

    fn commands(&self, version: Version) -> Vec<String> {
        let key = self.key();
        match &self.action {
            Action::Add { settings, has_dynamic_cookie } => {
                let forgets_cookie = *has_dynamic_cookie && version.forgets_cookie();
                add(&key, settings, forgets_cookie, version.forgets_pool())
            }
            Action::Move { settings } | Action::Return { settings } => move_or_return(&key, settings),
            Action::Tune { weight, maxconn } => {
                let weight = weight.map(|weight| format!("set server {key} weight {weight}"));
                let maxconn = maxconn.map(|maxconn| format!("set maxconn server {key} {maxconn}"));
                weight.into_iter().chain(maxconn).collect()
            }
            Action::Disable { settings } => vec![
                format!("disable server {key}"),
                format!("set server {key} weight {}", settings.weight),
                format!("set maxconn server {key} {}", settings.maxconn),
            ],
            Action::Remove { .. } => vec![format!("disable server {key}")],
        }
    }
}

fn add(key: &str, settings: &ServerOptions, forgets_cookie: bool, forgets_pool: bool) -> Vec<String> {
    let endpoint = settings.endpoint;
    // A cookie is computed when the port changes.
    let detour = SocketAddr::new(endpoint.ip(), if endpoint.port() == 1 { 2 } else { 1 });
    let first = if forgets_cookie { detour } else { endpoint };
    let mut add = format!("add server {key} {first} {} weight {}", settings.options.text(), settings.weight);
    if settings.maxconn > 0 {
        add += &format!(" maxconn {}", settings.maxconn);
    }
    if forgets_pool && !settings.options.has("pool-purge-delay") {
        add += " pool-purge-delay 5s";
    }
    if forgets_pool && !settings.options.has("pool-max-conn") {
        add += " pool-max-conn -1";
    }
    let mut commands = vec![add];
    // An agent's percentages scale the weight that the server starts with, so `add` does not set weight 0.
    if settings.has_checks() && !settings.is_disabled {
        commands.push(format!("set server {key} weight 0"));
    }
    if forgets_cookie {
        commands.push(format!("set server {key} addr {} port {}", endpoint.ip(), endpoint.port()));
    }
    if settings.options.has("check") {
        commands.push(format!("enable health {key}"));
    }
    if settings.options.has("agent-check") {
        commands.push(format!("enable agent {key}"));
    }
    if !settings.is_disabled {
        commands.extend(enter(key, settings));
    }
    commands
}

/// Moves a server, or puts a parked one into service.
fn move_or_return(key: &str, settings: &ServerOptions) -> Vec<String> {
    let endpoint = settings.endpoint;
    let mut commands = vec![
        format!("set server {key} weight 0"),
        format!("disable server {key}"),
        format!("set server {key} addr {} port {}", endpoint.ip(), endpoint.port()),
        format!("set maxconn server {key} {}", settings.maxconn),
    ];
    commands.extend(enter(key, settings));
    if !settings.has_checks() {
        commands.push(format!("set server {key} weight {}", settings.weight));
    }
    commands
}

/// Enables a server; one with checks is marked DOWN first.
fn enter(key: &str, settings: &ServerOptions) -> Vec<String> {
    let mut commands = vec![format!("enable server {key}")];
    if settings.has_checks() {
        commands.push(format!("set server {key} health down"));
        commands.push(format!("set server {key} weight {}", settings.weight));
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::server_options::Options;

    fn settings(line: &str) -> ServerOptions<'_> {
        ServerOptions::read(line, &Options::default()).unwrap()
    }

    fn change(action: Action) -> Change {
        Change { backend: "b".to_owned(), server: "s".to_owned(), action }
    }

    fn commands(action: Action, version: &str) -> String {
        lines(&[change(action)], Version::parse(version).unwrap()).unwrap().join("\n").replace(';', "\n")
    }

    #[test]
    fn a_new_server_is_down_before_it_has_a_weight() {
        let add = |line| Action::Add { settings: settings(line), has_dynamic_cookie: true };
        let line = "server s [::1]:80 check inter 2s weight 5 maxconn 9";
        let expected = "add server b/s [::1]:1 check inter 2s weight 5 maxconn 9 pool-purge-delay 5s pool-max-conn -1\n\
                        set server b/s weight 0\nset server b/s addr ::1 port 80\nenable health b/s\nenable server b/s\n\
                        set server b/s health down\nset server b/s weight 5";
        assert_eq!(commands(add(line), "2.6.12"), expected);
        let expected = "add server b/s [::1]:80 check inter 2s weight 5 maxconn 9\nset server b/s weight 0\n\
                        enable health b/s\nenable server b/s\nset server b/s health down\nset server b/s weight 5";
        assert_eq!(commands(add(line), "3.0.11"), expected);
        let expected = "add server b/s 10.0.0.1:80 check weight 5\nenable health b/s";
        assert_eq!(commands(add("server s 10.0.0.1:80 check weight 5 disabled"), "3.0.11"), expected);
        let expected = "add server b/s 10.0.0.1:80  weight 1\nenable server b/s";
        assert_eq!(commands(add("server s 10.0.0.1:80"), "3.0.11"), expected);
    }

    #[test]
    fn a_moving_server_is_out_of_service() {
        let settings = settings("server s 10.0.0.1:80 check weight 5");
        let expected = "set server b/s weight 0\ndisable server b/s\nset server b/s addr 10.0.0.1 port 80\n\
                        set maxconn server b/s 0\nenable server b/s\nset server b/s health down\n\
                        set server b/s weight 5";
        assert_eq!(commands(Action::Move { settings }, "2.6.12"), expected);
    }

    #[test]
    fn lines_fit_haproxys_buffer_and_keep_a_servers_commands_together() {
        let settings = settings("server s 10.0.0.1:80 check");
        let add = change(Action::Add { settings, has_dynamic_cookie: true });
        let lines = lines(&vec![add; 500], Version::parse("2.6.12").unwrap()).unwrap();
        assert!(lines.len() > 5 && lines.iter().all(|line| line.len() <= LINE_MAX));
        assert!(lines.iter().all(|line| line.starts_with("add server") && line.ends_with("weight 1")));
    }

    #[test]
    fn a_command_with_too_many_arguments_is_an_error() {
        let mut line = "server s 10.0.0.1:80".to_owned();
        (0..70).for_each(|_| line += " ");
        let many =
            ["inter 1", "fastinter 1", "downinter 1", "fall 1", "rise 1", "port 1", "addr 1", "slowstart 1"];
        let more =
            ["observe 1", "error-limit 1", "on-error 1", "on-marked-up 1", "sni 1", "verify 1", "alpn 1"];
        let rest = ["ca-file 1", "crl-file 1", "crt 1", "ciphers 1", "ciphersuites 1", "npn 1", "maxqueue 1"];
        let last = ["ws 1", "agent-port 1", "agent-addr 1", "agent-inter 1", "agent-send 1", "proto 1"];
        line += &[&many[..], &more, &rest, &last].concat().join(" ");
        let add = Action::Add { settings: settings(&line), has_dynamic_cookie: false };
        assert!(lines(&[change(add)], Version::parse("3.0").unwrap()).is_err());
    }
}
