//! Where the files are that a configuration names, as this program must open them.

use std::path::{Path, PathBuf};

use crate::config::files::settings::DefaultPath;
use crate::haproxy::process::Process;

/// Turns names into paths.
pub(crate) struct Places<'a> {
    main: Option<&'a Process>,
    /// Where relative names begin.
    base: PathBuf,
}

impl<'a> Places<'a> {
    /// For the configuration at `config` (symlinks resolved), which `main` was started on.
    pub(crate) fn new(default: &DefaultPath, config: &Path, main: Option<&'a Process>) -> Places<'a> {
        let working = main.map_or_else(|| "/".into(), Process::directory);
        let directory = config.parent().unwrap_or(Path::new("/"));
        let base = match default {
            DefaultPath::Current => working,
            DefaultPath::Config => directory.to_owned(),
            DefaultPath::Parent => directory.parent().unwrap_or(directory).to_owned(),
            DefaultPath::Origin(origin) => working.join(origin),
        };
        Places { main, base }
    }

    /// The path of a file with this name.
    pub(crate) fn of(&self, name: &str) -> PathBuf {
        let path = self.base.join(name);
        self.main.and_then(|main| main.place(&path)).unwrap_or(path)
    }
}
