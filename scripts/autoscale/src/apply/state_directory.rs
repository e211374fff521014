//! The state directory and its lock, which allows one run at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::failure::{Code, Failure};
use common::lock;
use common::regular_file;
use nix::fcntl::{Flock, OFlag};
use nix::unistd::{AccessFlags, access};

/// The pause between two attempts to take the lock. A thread that waits in flock(2) would not notice a signal.
const PAUSE: Duration = Duration::from_millis(50);

/// Creates the directory; only its owner and group can read it.
pub(crate) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

/// Creates the directory, and takes the lock, waiting at most `timeout`; `None` if a signal ended the wait.
pub(crate) fn lock(
    directory: &Path,
    timeout: Duration,
    is_interrupted: &AtomicBool,
) -> Result<Option<Flock<File>>, Failure> {
    check(directory)?;
    let path = directory.join("autoscale-run.lock");
    let start = Instant::now();
    loop {
        let taken = open(&path).and_then(|file| lock::exclusive(file, Duration::ZERO));
        match taken.map_err(|err| cannot_write(&path, &err))? {
            Some(lock) => return Ok(Some(lock)),
            None if is_interrupted.load(Ordering::SeqCst) => return Ok(None),
            None if start.elapsed() >= timeout => return Err(held(&path, timeout)),
            None => thread::sleep(PAUSE),
        }
    }
}

fn check(directory: &Path) -> Result<(), Failure> {
    let made = make(directory);
    let why = match made {
        Ok(()) if access(directory, AccessFlags::W_OK | AccessFlags::X_OK).is_ok() => return Ok(()),
        Ok(()) => "it is not writable",
        Err(_) if directory.symlink_metadata().is_ok() => "it is not a directory",
        Err(_) => "it cannot be created",
    };
    let line = format!("cannot use ROLLCALL_STATE_DIR '{}': {why}", directory.display());
    Err(Failure::new(Code::Files, line))
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    regular_file::open_with(&mut options, OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK, path)
}

fn cannot_write(path: &Path, err: &io::Error) -> Failure {
    Failure::new(Code::Files, format!("cannot write '{}': {err}; see ROLLCALL_STATE_DIR", path.display()))
}

fn held(path: &Path, timeout: Duration) -> Failure {
    let line =
        format!("cannot lock '{}': another run has held it for {} s", path.display(), timeout.as_secs());
    Failure::new(Code::Lock, line)
}
