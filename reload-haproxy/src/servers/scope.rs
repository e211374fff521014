//! Which servers are compared with the file: all, or only those whose lines have changed.

/// The servers that a comparison is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    #[default]
    All,
    /// Each with its backend. The others are as they are.
    Few(Vec<[String; 2]>),
}

impl Scope {
    /// Whether it has this server.
    pub(crate) fn has(&self, backend: &str, server: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Few(servers) => servers.iter().any(|[its, name]| its == backend && name == server),
        }
    }

    /// The same for `backend/server`.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        key.split_once('/').is_none_or(|(backend, server)| self.has(backend, server))
    }
}
