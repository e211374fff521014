//! A thread with private mounts. Its mounts are visible only in it, and they go away with it, however it ends.

use std::io;
use std::thread;

use harness::{Error, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Runs the action in a new mount namespace. Needs root.
pub fn with_own_mounts<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let apart = || {
        unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| refused("leave the mounts of", errno.into()))?;
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        let made = mount(None::<&str>, "/", None::<&str>, flags, None::<&str>);
        made.map_err(|errno| refused("make private", errno.into()))?;
        work()
    };
    let done = thread::scope(|scope| scope.spawn(apart).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Whether the caller may do that.
pub fn is_allowed() -> bool {
    nix::unistd::geteuid().is_root()
}

fn refused(verb: &'static str, err: io::Error) -> Error {
    Error::System { verb, object: "this machine".to_owned(), err }
}
