//! How a change of a file ends, as HAProxy's socket takes it.

/// How a live change ended that did not need a reload.
pub(crate) enum Applied {
    /// HAProxy uses the file.
    Done,
    /// The file is bad, in HAProxy's words or ours, one line; nothing was touched.
    Refused(String),
}
