//! How a change of a file ended that did not need a reload.

/// How a change of a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    Done,
    /// The file is bad, and HAProxy goes on with what it had: why, in one line.
    Refused(String),
}
