//! Why HAProxy must be reloaded: one case for each row of the manual's table of reasons.
//!
//! A test compares the cases with that table in both directions, so neither can be extended alone.

use thiserror::Error;

use crate::config::backend::Obstacle;
use crate::config::content::Flaw;
use crate::config::server_options::OptionError;

/// Why HAProxy must be reloaded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Reason {
    // The file as a whole.
    #[error("--force")]
    Forced,
    #[error("'{0}', which HAProxy rejected, is tried again")]
    TriedAgain(String),
    #[error("no worker reports what it runs")]
    NoWorker,
    #[error("the file has revision {wanted}, worker {pid} runs {running}")]
    OtherRevision { wanted: String, pid: i32, running: String },
    #[error("the file has revision {wanted}, worker {pid} runs a file without one")]
    NoRevision { wanted: String, pid: i32 },
    #[error("the file has changed since worker {0} loaded it")]
    Changed(i32),
    #[error("the file may have changed since worker {0} started")]
    MayHaveChanged(i32),
    #[error("{path}, which line {line} names, has changed")]
    File { path: String, line: usize },
    #[error("{path}, which line {line} names, may have changed since worker {pid} started")]
    FileMayHaveChanged { path: String, line: usize, pid: i32 },
    #[error("line {line} of {path} cannot be loaded at run time")]
    ListLine { path: String, line: usize },
    #[error("HAProxy's entries still differ from {0} after the change")]
    ListNotApplied(String),
    /// Files that could be changed at run time, if `--method` did not forbid it.
    #[error("{0}")]
    FilesChanged(String),
    #[error("'{name}' would be the first certificate of '{list}'")]
    FirstCertificate { name: String, list: String },
    #[error("'{file}' is for '{host}', as is '{other}'")]
    SameName { file: String, host: String, other: String },
    #[error("HAProxy's socket does not take its .sctl file")]
    NoSctl,
    #[error("its private key has a pass phrase")]
    PassPhrase,
    #[error("it has the beginning of a PEM block inside a line")]
    OddPem,
    #[error("one of its names has a line break")]
    OddName,
    #[error("HAProxy does not report {0}")]
    NotReported(String),
    #[error("this HAProxy version may stop after authorities change while it runs (haproxy issue 3165)")]
    Issue3165,
    #[error("an earlier run did not finish its server changes")]
    Unfinished,
    #[error("{0}")]
    Line(String),
    #[error("{difference}, and {why}")]
    Differs { difference: String, why: Box<Reason> },
    #[error(transparent)]
    Flaw(#[from] Flaw),

    // The running HAProxy.
    #[error("HAProxy's servers differed from the file right after it was loaded")]
    Unlike,
    #[error("HAProxy was started on other files too")]
    OtherFiles,
    #[error("the file has no stats socket")]
    NoSocket,
    #[error("the stats socket does not report HAProxy's version")]
    NoVersion,
    #[error("the stats socket '{path}' failed: {error}")]
    Socket { path: String, error: String },
    #[error("HAProxy answered '{command}' with '{answer}'")]
    Answer { command: &'static str, answer: String },
    #[error("the answer to 'show servers state' is incomplete")]
    Incomplete,
    #[error("worker {now} has replaced worker {before}")]
    OtherWorker { now: i32, before: i32 },
    #[error("its master is already reloading")]
    Loading,
    #[error("HAProxy rejected a command with '{0}'")]
    Rejected(String),
    #[error("server {0} still differs from the file after the changes")]
    NotApplied(String),
    #[error("{0} removed servers are parked")]
    Parked(usize),

    // A backend.
    #[error("{section}: {why}")]
    Backend { section: String, why: Obstacle },
    #[error("server {server} appears twice in {section}")]
    Twice { server: String, section: String },
    #[error("server {server} is removed, but '{line}' names it")]
    Named { server: String, line: String },

    // A server.
    #[error("server {server} of {section}: {why}")]
    Server { server: String, section: String, why: Box<Reason> },
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error("its name contains characters that HAProxy's socket does not accept")]
    Name,
    #[error("'{0}' cannot change while it runs")]
    Fixed(String),
    #[error(
        "its agent-check scales the weight that the server started with, so the weight cannot change while it runs"
    )]
    AgentWeight,
    #[error("it is disabled and its address changes")]
    DisabledMove,
    #[error("its on-marked-down would cut its sessions")]
    CutsSessions,
    #[error("it was parked with options '{0}' and comes back with different ones")]
    ParkedOptions(String),
    #[error("a server of that name was added by hand")]
    AddedByHand,
    #[error("HAProxy can add servers at run time from version 2.6 on")]
    CannotAdd,
    #[error("this HAProxy version does not accept '{0}' at run time")]
    KeywordVersion(String),
    #[error("the order of backup servers matters, and a server added at run time would be last")]
    BackupOrder,
    #[error("this HAProxy version may stop when the server comes back (haproxy issue 3360)")]
    Issue3360,
    #[error("it has more options than a command can hold")]
    TooManyOptions,
}

impl Reason {
    /// The same reason, with the server that it is about.
    pub(crate) fn of_server(self, server: &str, section: &str) -> Reason {
        Reason::Server { server: server.to_owned(), section: section.to_owned(), why: Box::new(self) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// One reason for each case, with the values that the manual has.
    fn examples() -> Vec<Reason> {
        [about_the_file(), about_haproxy(), about_a_backend(), about_a_server()].concat()
    }

    fn about_the_file() -> Vec<Reason> {
        let text = str::to_owned;
        let wanted = text("rollcall-6f0d1c2b3a495867");
        vec![
            Reason::Forced,
            Reason::TriedAgain(text("haproxy.cfg.refused")),
            Reason::NoWorker,
            Reason::OtherRevision {
                wanted: wanted.clone(),
                pid: 7,
                running: text("rollcall-0123456789abcdef"),
            },
            Reason::NoRevision { wanted, pid: 7 },
            Reason::Changed(7),
            Reason::MayHaveChanged(7),
            Reason::File { path: text("/etc/haproxy/errors/503.http"), line: 12 },
            Reason::FileMayHaveChanged { path: text("/etc/haproxy/errors/503.http"), line: 12, pid: 7 },
            Reason::ListLine { path: text("/etc/haproxy/hosts.map"), line: 7 },
            Reason::ListNotApplied(text("/etc/haproxy/hosts.map")),
            Reason::FilesChanged(text(
                "/etc/haproxy/certs/site.pem, which line 12 names, has changed, and 2 more files",
            )),
            Reason::FirstCertificate { name: text("/etc/certs/a.pem"), list: text("/etc/certs") },
            Reason::SameName {
                file: text("/etc/certs/a.pem"),
                host: text("a.example"),
                other: text("/etc/certs/b.pem"),
            },
            Reason::NoSctl,
            Reason::PassPhrase,
            Reason::OddPem,
            Reason::OddName,
            Reason::Name,
            Reason::NotReported(text("the fingerprint of '/etc/certs/a.pem'")),
            Reason::Issue3165,
            Reason::Unfinished,
            Reason::Line(text("line 41 of frontend web changed")),
            Flaw::Nul.into(),
            Flaw::NoNewline.into(),
        ]
    }

    fn about_haproxy() -> Vec<Reason> {
        let text = str::to_owned;
        vec![
            Reason::Unlike,
            Reason::OtherFiles,
            Reason::NoSocket,
            Reason::NoVersion,
            Reason::Socket { path: text("/run/haproxy.sock"), error: text("timed out") },
            Reason::Answer { command: "show info", answer: text("Permission denied") },
            Reason::Incomplete,
            Reason::OtherWorker { now: 8, before: 7 },
            Reason::Loading,
            Reason::Rejected(text("Permission denied")),
            Reason::NotApplied(text("nodes/s3")),
            Reason::Parked(1001),
        ]
    }

    fn about_a_backend() -> Vec<Reason> {
        let text = str::to_owned;
        let section = text("backend nodes");
        let backend = |why| Reason::Backend { section: text("backend nodes"), why };
        vec![
            backend(Obstacle::Conditional),
            backend(Obstacle::Name),
            backend(Obstacle::Balance(text("source"))),
            Reason::Twice { server: text("s3"), section },
            Reason::Named { server: text("s2"), line: text("use-server s2 ...") },
        ]
    }

    fn about_a_server() -> Vec<Reason> {
        let text = str::to_owned;
        let server = |why: Reason| why.of_server("s3", "backend nodes");
        let option = |error| Reason::from(error).of_server("s3", "backend nodes");
        vec![
            option(OptionError::Address(text("app:80"))),
            option(OptionError::NoValue(text("inter"))),
            option(OptionError::Number { keyword: "weight", value: text("300"), most: 256 }),
            option(OptionError::NotPlain(text("$PORT"))),
            option(OptionError::Unsupported(text("resolvers"))),
            server(Reason::Name),
            server(Reason::Fixed(text("backup"))),
            server(Reason::AgentWeight),
            server(Reason::DisabledMove),
            server(Reason::CutsSessions),
            server(Reason::ParkedOptions(text("check"))),
            server(Reason::AddedByHand),
            server(Reason::CannotAdd),
            server(Reason::KeywordVersion(text("cookie"))),
            server(Reason::BackupOrder),
            server(Reason::Issue3360),
            server(Reason::TooManyOptions),
        ]
    }

    /// The first column of the manual's table of reasons, without `..., and `.
    fn rows() -> BTreeSet<&'static str> {
        let manual = include_str!("../../README.md");
        let (_, table) = manual.split_once("| the reason | what it means").expect("the table of reasons");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|row| {
            let (_, row) = row.split_once('`').expect("a reason in backticks");
            let (reason, _) = row.split_once("` |").expect("the end of the reason");
            reason.strip_prefix("..., and ").unwrap_or(reason)
        })
        .collect()
    }

    #[test]
    fn the_manual_has_a_row_for_each_case_and_no_other_row() {
        let examples: Vec<String> = examples().iter().map(Reason::to_string).collect();
        let examples: BTreeSet<&str> = examples.iter().map(String::as_str).collect();
        let rows = rows();
        assert_eq!(examples.difference(&rows).collect::<Vec<_>>(), [] as [&&str; 0], "cases without a row");
        assert_eq!(rows.difference(&examples).collect::<Vec<_>>(), [] as [&&str; 0], "rows without a case");
    }

    #[test]
    fn each_case_has_a_class_and_each_class_a_case() {
        use crate::servers::reason_class::Class;

        // The compiler checks that each case has one.
        let classes: Vec<Class> = examples().iter().map(Reason::class).collect();
        Class::ALL.iter().for_each(|class| assert!(classes.contains(class), "{class:?}"));
        let within = Reason::Differs { difference: String::new(), why: Reason::NoSocket.into() };
        assert_eq!(within.class(), Class::Socket);
    }

    #[test]
    fn each_case_has_an_example() {
        let source = include_str!("reason.rs");
        let cases = source.lines().filter(|line| line.trim_start().starts_with("#[error(")).count();
        let innermost = |reason: Reason| match reason {
            Reason::Server { why, .. } => *why,
            reason => reason,
        };
        let seen: BTreeSet<String> = examples()
            .into_iter()
            .map(|reason| {
                let reason = format!("{:?}", innermost(reason));
                reason.split([' ', '(']).next().unwrap_or_default().to_owned()
            })
            .collect();
        // `Differs` and `Server` only wrap another case.
        assert_eq!(seen.len() + 2, cases);
    }
}
