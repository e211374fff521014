//! The SHA-256 of a file's bytes. It is kept in place of the bytes, because they may be a private key.

use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// Stands for a file whose loaded content is unknown. It equals the digest of no real file.
    pub(crate) const UNKNOWN: Digest = Digest([0; 32]);

    /// The digest of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Digest {
        Digest(<Sha256 as sha2::Digest>::digest(bytes).into())
    }
}
