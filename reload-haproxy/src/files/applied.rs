//! The outcome of a change of a file at run time.

/// The outcome of a change. A reason for a reload is an error beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    Done,
    /// The file is bad, and HAProxy keeps what it has loaded: why, in one line.
    Refused(String),
}
