//! The way from the root to a file: in which directories a name is looked up, symlinks and all. Whatever
//! happens to one of these names may lead to another file, or to none, or to one at last.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// As the kernel counts them (ELOOP).
const LINKS_MAX: usize = 40;

/// Goes the way to `path`, from the root even if it is relative. Calls `step` with each directory, in which no
/// symlink is left, and the name that is looked up in it, before that is looked up: a `step` that watches the
/// directory misses nothing. Gives where the way leads; `None` if it ends before.
pub(crate) fn go(path: &Path, mut step: impl FnMut(&Path, &OsStr)) -> Option<PathBuf> {
    let mut names = names(&std::path::absolute(path).ok()?);
    let (mut here, mut links) = (PathBuf::from("/"), 0);
    while let Some(name) = names.pop() {
        if name == ".." {
            here.pop();
            continue;
        }
        step(&here, &name);
        let there = here.join(name);
        match fs::read_link(&there) {
            Ok(_) if links == LINKS_MAX => return None,
            Ok(target) => {
                links += 1;
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                names.extend(self::names(&target));
            }
            Err(err) if err.kind() == ErrorKind::NotFound => return None,
            Err(_) => here = there,
        }
    }
    Some(here)
}

/// The names in a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let named = |part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    };
    path.components().rev().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Where the way leads, and the steps in `dir`, each as `DIRECTORY NAME`.
    fn way(dir: &Path, path: &str) -> (Option<PathBuf>, Vec<String>) {
        let mut steps = Vec::new();
        let end = go(&dir.join(path), |directory, name| {
            if let Ok(inside) = directory.strip_prefix(dir) {
                steps.push(format!("{} {}", inside.display(), name.display()));
            }
        });
        (end.map(|end| end.strip_prefix(dir).unwrap().to_owned()), steps)
    }

    #[test]
    fn every_directory_on_the_way_is_named_and_those_behind_symlinks_too() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().canonicalize().unwrap();
        fs::create_dir_all(dir.join("a/b")).unwrap();
        symlink("../c", dir.join("a/link")).unwrap();
        symlink(dir.join("a"), dir.join("c")).unwrap();
        let (end, steps) = way(&dir, "a/link/b");
        assert_eq!(end, Some("a/b".into()));
        assert_eq!(steps, [" a", "a link", " c", " a", "a b"]);
    }

    #[test]
    fn a_way_that_ends_early_names_what_is_missing() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().canonicalize().unwrap();
        assert_eq!(way(&dir, "a/b"), (None, vec![" a".to_owned()]));
        symlink("loop", dir.join("loop")).unwrap();
        assert_eq!(way(&dir, "loop").0, None);
        assert_eq!(way(&dir, "x/../y").0, None);
    }
}
