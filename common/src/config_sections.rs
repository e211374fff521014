//! The kinds of sections that haproxy.cfg can have, for the two programs that look for their beginnings.

/// The kind of section that a line of haproxy.cfg with this first word begins; `None` for any other line. HAProxy 1.6 to
/// 3.4 have these.
pub fn section_kind(word: &str) -> Option<&'static str> {
    const KINDS: [&str; 19] = [
        "acme",
        "backend",
        "cache",
        "crt-store",
        "defaults",
        "fcgi-app",
        "frontend",
        "global",
        "http-errors",
        "listen",
        "log-forward",
        "log-profile",
        "mailers",
        "peers",
        "program",
        "resolvers",
        "ring",
        "traces",
        "userlist",
    ];
    KINDS.into_iter().find(|kind| *kind == word)
}
