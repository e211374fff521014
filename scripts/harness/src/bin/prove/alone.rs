//! A thread with namespaces of its own: what is mounted or sent in it exists nowhere else, and is gone with it, however
//! it ends.

use std::io;
use std::process::Command;
use std::thread;

use harness::{Error, Result, process, programs, run::Run};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Does the work in a mount namespace of its own. Needs root.
pub fn with_own_mounts<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    in_thread(|| {
        apart(CloneFlags::CLONE_NEWNS)?;
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        let made = mount(None::<&str>, "/", None::<&str>, flags, None::<&str>);
        made.map_err(|errno| refused("make private", errno.into()))?;
        work()
    })
}

/// Does the work on a network of its own, on which there is loopback alone. Needs root.
pub fn with_own_network<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    in_thread(|| {
        apart(CloneFlags::CLONE_NEWNET)?;
        let run = Run::new()?;
        process::output(&run, Command::new(programs::find("ip")?).args(["link", "set", "lo", "up"]))?;
        work()
    })
}

/// Whether that can be done here.
pub fn is_allowed() -> bool {
    nix::unistd::geteuid().is_root()
}

/// What a thread starts, processes and threads, is in its namespaces.
fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let done = thread::scope(|scope| scope.spawn(work).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn apart(flags: CloneFlags) -> Result<()> {
    unshare(flags).map_err(|errno| refused("leave the namespaces of", errno.into()))
}

fn refused(verb: &'static str, err: io::Error) -> Error {
    Error::System { verb, object: "this machine".to_owned(), err }
}
