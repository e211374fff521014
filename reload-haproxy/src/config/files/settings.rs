//! The settings that tell where the files are that a configuration names.

/// Directories to which relative names are joined, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bases {
    pub(crate) certificates: Option<String>,
    pub(crate) keys: Option<String>,
    pub(crate) authorities: Option<String>,
}

/// Which files beside a certificate HAProxy loads with it (`ssl-load-extra-files`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtraFiles {
    /// Whether a name without a file is the beginning of `NAME.rsa`, `NAME.ecdsa` and `NAME.dsa`.
    pub(crate) has_bundles: bool,
    /// Of `key`, `ocsp`, `issuer` and `sctl`.
    pub(crate) suffixes: Vec<&'static str>,
    /// Whether the name of such a file lacks the certificate's `.crt` (`ssl-load-extra-del-ext`).
    pub(crate) replaces_crt: bool,
}

const SUFFIXES: [&str; 4] = ["key", "ocsp", "issuer", "sctl"];

impl Default for ExtraFiles {
    fn default() -> ExtraFiles {
        ExtraFiles { has_bundles: true, suffixes: SUFFIXES.to_vec(), replaces_crt: false }
    }
}

/// Where HAProxy looks for relative names (`default-path`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum DefaultPath {
    /// Its working directory.
    #[default]
    Current,
    /// The directory of the configuration.
    Config,
    /// The parent of that directory.
    Parent,
    /// A given directory.
    Origin(String),
}

impl ExtraFiles {
    /// The path of the file with this ending beside the certificate at `path`.
    pub(crate) fn beside(&self, path: &str, ending: &str) -> String {
        let stem = path.strip_suffix(".crt").filter(|_| self.replaces_crt).unwrap_or(path);
        format!("{stem}.{ending}")
    }

    pub(super) fn read(&mut self, kinds: &[&str]) {
        let has = |kind: &str| kinds.contains(&"all") || kinds.contains(&kind);
        self.has_bundles = has("bundle");
        self.suffixes = SUFFIXES.into_iter().filter(|suffix| has(suffix)).collect();
    }
}

pub(super) fn default_path(words: &[&str]) -> DefaultPath {
    match words {
        ["config"] => DefaultPath::Config,
        ["parent"] => DefaultPath::Parent,
        ["origin", directory] => DefaultPath::Origin((*directory).to_owned()),
        _ => DefaultPath::Current,
    }
}

/// The `crt-store` section that is being read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Store {
    pub(super) name: String,
    pub(super) certificates: Option<String>,
    pub(super) keys: Option<String>,
}
