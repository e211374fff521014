//! Where the files are that a configuration names, as this program must open them.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::config::content;
use crate::config::files::settings::DefaultPath;
use crate::haproxy::proc;
use crate::haproxy::process::Process;

/// Turns names into paths.
pub(crate) struct Places<'a> {
    /// HAProxy's main process, if it has a mount namespace of its own.
    elsewhere: Option<&'a Process>,
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
        Places { elsewhere: main.filter(|main| !main.shares("mnt")), base }
    }

    /// Whether HAProxy certainly finds no file with this name. In another mount namespace symlinks lead elsewhere, so they
    /// are followed below its root.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        let path = self.base.join(content::path(name));
        let Some(main) = self.elsewhere else { return false };
        let Ok(root) = File::open(proc::directory(main.pid).join("root")) else { return false };
        let how = OpenHow::new().flags(OFlag::O_PATH).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        openat2(&root, &path, how).is_err_and(|err| err == Errno::ENOENT)
    }

    /// The path of a file with this name.
    pub(crate) fn of(&self, name: &str) -> PathBuf {
        let path = content::path(name);
        let path = if path.is_absolute() { path } else { self.base.join(path) };
        self.elsewhere.and_then(|main| main.place(&path)).unwrap_or(path)
    }
}
