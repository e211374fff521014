//! Where running demos are found: a private directory of the user, with one directory for each demo.
//!
//! Creating a demo's directory fails if it exists, so the directory is also the claim to the demo's name. It holds
//! the socket for the other commands and all files of the demo, and is removed when the demo ends.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::run::poll;
use harness::{Error, Result};

const SOCKET: &str = "control.sock";

/// Checks a demo's name, as given to `--name`.
pub fn check_name(name: &str) -> std::result::Result<String, String> {
    let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_good = (1..=32).contains(&name.len()) && name.chars().all(is_fit) && !name.starts_with('-');
    is_good.then(|| name.to_owned()).ok_or_else(|| "use 1 to 32 of a-z, 0-9 and -".to_owned())
}

/// Claims a directory for a demo, with this name or the first free one of demo, demo2, ...
pub fn claim(name: Option<&str>) -> Result<(String, PathBuf)> {
    if let Some(name) = name {
        return Ok((name.to_owned(), claim_name(name)?));
    }
    let mut names = (1..100).map(|n| if n == 1 { "demo".to_owned() } else { format!("demo{n}") });
    let claimed = names.find_map(|name| match make(&name) {
        Err(err) if err.kind() == ErrorKind::AlreadyExists => None,
        made => Some((name, made)),
    });
    match claimed {
        Some((name, Ok(directory))) => Ok((name, directory)),
        Some((name, Err(err))) => Err(Error::System { verb: "make a directory for", object: name, err }),
        None => Err(Error::Unfit("cannot find a free name: a hundred demos are up".to_owned())),
    }
}

/// Claims this name; waits if a demo with that name is just ending.
fn claim_name(name: &str) -> Result<PathBuf> {
    let taken = || Error::Unfit(format!("cannot use the name '{name}': a demo of that name is up"));
    poll::try_until(Duration::from_secs(15), "the end of the demo of that name", || match make(name) {
        Ok(directory) => Ok(Some(directory)),
        Err(err) if err.kind() == ErrorKind::AlreadyExists => {
            if answers(&home().join(name)) {
                Err(taken())
            } else {
                Ok(None)
            }
        }
        Err(err) => Err(Error::System { verb: "make a directory for", object: name.to_owned(), err }),
    })
}

fn make(name: &str) -> io::Result<PathBuf> {
    let directory = home().join(name);
    // The end of another demo may remove the home in between.
    for _ in 0..100 {
        own_home()?;
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            made => return made.map(|()| directory),
        }
    }
    Err(ErrorKind::NotFound.into())
}

/// The directory that holds this user's demos.
pub fn home() -> PathBuf {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
    runtime.unwrap_or_else(env::temp_dir).join(format!("rollcall-demo-{}", nix::unistd::getuid()))
}

/// Makes the home if it is missing; refuses one that another user owns or can write to.
fn own_home() -> io::Result<()> {
    let home = home();
    match DirBuilder::new().mode(0o700).create(&home) {
        Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
        made => return made,
    }
    match is_own(&home) {
        Ok(false) => Err(io::Error::other(format!("'{}' is not private to this user", home.display()))),
        // It has been removed again, so the caller retries.
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(()),
        found => found.map(drop),
    }
}

fn is_own(home: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(home)?;
    Ok(found.is_dir() && found.uid() == nix::unistd::getuid().as_raw() && found.mode() & 0o077 == 0)
}

/// The path of the socket in a demo's directory.
pub fn socket(directory: &Path) -> PathBuf {
    directory.join(SOCKET)
}

/// The directory of a running demo: the one with this name, or the only one.
pub fn find(name: Option<&str>) -> Result<PathBuf> {
    let up = names_up();
    match (name, up.as_slice()) {
        (Some(name), _) if up.iter().any(|up| up == name) => Ok(home().join(name)),
        (Some(name), _) => Err(Error::Unfit(format!("no demo '{name}' is up{}", listed(&up)))),
        (None, [only]) => Ok(home().join(only)),
        (None, []) => Err(Error::Unfit("no demo is up: start one with 'demo up'".to_owned())),
        (None, _) => Err(Error::Unfit(format!("several demos are up: use --name NAME{}", listed(&up)))),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; running: {}", names.join(", ")) }
}

fn names_up() -> Vec<String> {
    let entries = is_own(&home()).ok().filter(|own| *own).and_then(|_| fs::read_dir(home()).ok());
    let found = entries.into_iter().flatten().flatten().filter(|entry| answers(&entry.path()));
    let mut names: Vec<String> = found.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

fn answers(directory: &Path) -> bool {
    UnixStream::connect(socket(directory)).is_ok()
}
