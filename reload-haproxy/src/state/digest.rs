//! What the bytes of a file were, without the bytes.

use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// Of a file of which nothing is known. No file has this one.
    pub(crate) const UNKNOWN: Digest = Digest([0; 32]);

    pub(crate) fn of(bytes: &[u8]) -> Digest {
        Digest(<Sha256 as sha2::Digest>::digest(bytes).into())
    }
}
