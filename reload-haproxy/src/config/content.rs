//! The bytes of a configuration file: as text, as a fingerprint, and the revision in a `description`.
//!
//! A file that is not valid UTF-8 is read too, and two such files are the same only if all their bytes are.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::config::words::{mark, marked};

/// Begins the revision that render-cfg writes into `description`.
const REVISION_PREFIX: &str = "rollcall-";
const REVISION_DIGITS: usize = 16;

/// Why HAProxy rejects a file before it reads any line.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Flaw {
    #[error("the file contains a NUL byte")]
    Nul,
    #[error("the file does not end with a newline")]
    NoNewline,
}

/// Finds what HAProxy rejects in any file. Changes of servers need it, because no `haproxy -c` runs before them.
pub(crate) fn flaw(bytes: &[u8]) -> Option<Flaw> {
    match bytes {
        bytes if bytes.contains(&0) => Some(Flaw::Nul),
        [.., b'\n'] => None,
        _ => Some(Flaw::NoNewline),
    }
}

/// The file's text. A byte that is not valid UTF-8 becomes a private-use character of its own, so that files
/// with different bytes have different texts.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    // The check alone is many times quicker than the replacement.
    std::str::from_utf8(bytes).map_or_else(|_| with_marks(bytes).into(), Cow::Borrowed)
}

/// The text of bytes that are not needed any more.
pub(crate) fn owned_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|err| with_marks(err.as_bytes()))
}

/// The path whose name has this text.
pub(crate) fn path(text: &str) -> PathBuf {
    if text.is_ascii() || !text.contains(|c| marked(c).is_some()) {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match marked(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    OsString::from_vec(bytes).into()
}

fn with_marks(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().copied().map(mark));
    }
    text
}

/// SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The revision within a `description`, as the file has it or as `show info` prints it.
pub(crate) fn revision(description: &str) -> Option<String> {
    let (at, _) = description.match_indices(REVISION_PREFIX).next()?;
    let end = at + REVISION_PREFIX.len() + REVISION_DIGITS;
    let found = description.get(at..end)?;
    let digits = &found[REVISION_PREFIX.len()..];
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_differ_in_an_invalid_byte_have_different_texts() {
        assert_ne!(text(b"caf\xe9"), text(b"caf\xe8"));
        assert_eq!(owned_text(b"caf\xe9".to_vec()), text(b"caf\xe9"));
        assert_eq!(text(b"caf\xe9\n bind"), format!("caf{}\n bind", mark(0xe9)));
    }

    #[test]
    fn a_path_has_the_bytes_of_its_text() {
        for name in [&b"/etc/a.pem"[..], b"/etc/caf\xe9/\xff.pem", "/etc/caf\u{e9}.pem".as_bytes()] {
            assert_eq!(path(&text(name)).into_os_string().into_vec(), name);
        }
    }

    #[test]
    fn a_description_without_our_prefix_has_no_revision() {
        assert_eq!(revision("our load balancer"), None);
        assert_eq!(revision("rollcall-123"), None);
        assert_eq!(revision("rollcall-012345678zabcdef"), None);
    }
}
