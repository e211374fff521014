//! Reading regular files only: a pipe in place of a file must not block the reader, and an endless file must not fill the
//! memory.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens the file at `path` for reading. Fails if it is not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), OFlag::O_NONBLOCK, path)
}

/// Opens the file at `path` with these options. Fails if it is not a regular file.
pub fn open_with(options: &mut OpenOptions, flags: OFlag, path: &Path) -> io::Result<File> {
    // The kernel's error does not say that it is a socket, or a symlink that must not be followed.
    let metadata = if flags.contains(OFlag::O_NOFOLLOW) { fs::symlink_metadata } else { fs::metadata };
    let what = || check(metadata(path).ok()?.file_type()).err();
    let opened = options.custom_flags(flags.bits()).open(path);
    let file = opened.map_err(|err| what().unwrap_or(err))?;
    check(file.metadata()?.file_type()).map(|()| file)
}

/// Fails with what it is, unless it is a regular file.
pub fn check(kind: FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_symlink() => "a symlink",
        _ => "a device",
    };
    Err(io::Error::other(format!("it is {what}, not a regular file")))
}

/// Reads the whole file at `path`. Fails if it is not a regular file or larger than `max` bytes.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::other(format!("it is larger than {max} bytes"));
    let file = open(path)?;
    let size = file.metadata()?.len();
    // Not after seconds of reading.
    if size > max {
        return Err(too_large());
    }
    // One byte more, so that the last read finds the end.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max { Err(too_large()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replace::replace;

    fn refusal(path: &Path) -> String {
        read(path, 10).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_a_regular_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, socket, link) = (dir.path().join("p"), dir.path().join("s"), dir.path().join("l"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink("s", &link).unwrap();
        assert_eq!(refusal(&pipe), "it is a named pipe, not a regular file");
        assert_eq!(refusal(&socket), "it is a socket, not a regular file");
        assert_eq!(refusal(&link), "it is a socket, not a regular file");
        assert_eq!(refusal(dir.path()), "it is a directory, not a regular file");
        assert_eq!(refusal(Path::new("/dev/null")), "it is a device, not a regular file");
        let direct = open_with(OpenOptions::new().append(true), OFlag::O_NOFOLLOW, &link);
        assert_eq!(direct.unwrap_err().to_string(), "it is a symlink, not a regular file");
        assert!(refusal(&dir.path().join("none")).contains("No such file"));
    }

    #[test]
    fn only_a_file_within_the_limit_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        replace(&path, b"0123456789", 0o600).unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"0123456789");
        assert!(read(&path, 9).is_err());
    }
}
