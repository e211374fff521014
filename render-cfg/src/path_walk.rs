//! Walks along a path and follows its symlinks. Only this file follows symlinks one by one.
//!
//! Each directory in which a name is looked up is passed to a visitor. A change of any of these names may make the
//! path lead to another file, so `--watch` watches them all.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// The kernel's own limit (ELOOP).
const LINKS_MAX: usize = 40;

/// Follows `path` and returns it without symlinks; a relative path remains relative. The file need not exist: names
/// that follow a missing one are appended as they are.
///
/// Calls `visit` with a directory, which contains no symlink, and a name in it, before that name is looked up. So a
/// visitor that watches the directory misses nothing.
pub(crate) fn walk(path: &Path, mut visit: impl FnMut(&Path, &OsStr)) -> io::Result<PathBuf> {
    let mut names = names(path);
    let mut here = PathBuf::from(if path.is_absolute() { "/" } else { "" });
    let mut links = 0;
    while let Some(name) = names.pop() {
        if name == ".." {
            leave(&mut here);
            continue;
        }
        visit(&here, &name);
        here.push(name);
        match fs::read_link(&here) {
            Ok(_) if links == LINKS_MAX => return Err(io::Error::other("too many symlinks")),
            Ok(target) => {
                links += 1;
                here.pop();
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                names.extend(self::names(&target));
            }
            // It is not a symlink.
            Err(err) if err.kind() == ErrorKind::InvalidInput => {}
            Err(err) if err.kind() == ErrorKind::NotFound => {
                here.extend(names.into_iter().rev());
                return Ok(here);
            }
            Err(err) => return Err(err),
        }
    }
    Ok(here)
}

/// Goes to the parent directory, which may be above the one in which a relative path began.
fn leave(here: &mut PathBuf) {
    if here.file_name().is_some() {
        here.pop();
    } else if !here.has_root() {
        here.push("..");
    }
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

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().canonicalize().unwrap();
        (scratch, dir)
    }

    /// Where `path` leads, and the visits within `dir`, each as `DIRECTORY NAME`.
    fn walked(dir: &Path, path: &str) -> (Option<PathBuf>, Vec<String>) {
        let mut visits = Vec::new();
        let end = walk(&dir.join(path), |directory, name| {
            if let Ok(inside) = directory.strip_prefix(dir) {
                visits.push(format!("{} {}", inside.display(), name.display()));
            }
        });
        (end.ok().map(|end| end.strip_prefix(dir).unwrap().to_owned()), visits)
    }

    #[test]
    fn every_directory_is_visited_also_those_behind_symlinks() {
        let (_scratch, dir) = scratch();
        fs::create_dir_all(dir.join("a/b")).unwrap();
        symlink("../c", dir.join("a/link")).unwrap();
        symlink(dir.join("a"), dir.join("c")).unwrap();
        let (end, visits) = walked(&dir, "a/link/b");
        assert_eq!(end, Some("a/b".into()));
        assert_eq!(visits, [" a", "a link", " c", " a", "a b"]);
    }

    #[test]
    fn a_path_that_ends_early_visits_the_missing_name() {
        let (_scratch, dir) = scratch();
        assert_eq!(walked(&dir, "a/b"), (Some("a/b".into()), vec![" a".to_owned()]));
        assert_eq!(walked(&dir, "x/../y").1, [" x"]);
        symlink("loop", dir.join("loop")).unwrap();
        assert_eq!(walked(&dir, "loop").0, None);
    }

    #[test]
    fn symlinks_lead_to_a_file_that_does_not_exist_yet() {
        let (_scratch, dir) = scratch();
        symlink("b", dir.join("a")).unwrap();
        symlink("sub/c", dir.join("b")).unwrap();
        assert_eq!(walked(&dir, "a").0, Some("sub/c".into()));
    }

    #[test]
    fn a_relative_path_remains_relative_and_may_lead_upwards() {
        for (path, end) in
            [("plain.cfg", "plain.cfg"), ("./src/../x", "x"), ("../../x", "../../x"), ("/../x", "/x")]
        {
            assert_eq!(walk(Path::new(path), |_, _| {}).unwrap(), Path::new(end));
        }
    }
}
