//! The class of a reason for a reload: what an operator would check first. `--metrics` counts reloads by class, because a
//! series for each reason would be too many.

use crate::servers::reason::Reason;

/// What a reload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Other lines than those of servers have changed, or the file has a flaw.
    Configuration,
    /// A file that the configuration names has changed, and HAProxy cannot take it while it runs.
    File,
    /// A server or its backend cannot be changed while it runs.
    Server,
    /// HAProxy cannot be asked, or its answer is not understood.
    Socket,
    /// Another program reloads HAProxy, or has started it on several files.
    Haproxy,
    /// What the worker runs is not known, or an earlier run did not end.
    LostState,
    /// `--force`.
    Forced,
    /// A file that HAProxy rejected is tried again.
    Retry,
}

impl Class {
    /// All classes, in the order of docs/metrics.md.
    pub(crate) const ALL: [Class; 8] = [
        Class::Configuration,
        Class::File,
        Class::Server,
        Class::Socket,
        Class::Haproxy,
        Class::LostState,
        Class::Forced,
        Class::Retry,
    ];

    /// The value of its label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Configuration => "configuration",
            Class::File => "file",
            Class::Server => "server",
            Class::Socket => "socket",
            Class::Haproxy => "haproxy",
            Class::LostState => "lost_state",
            Class::Forced => "forced",
            Class::Retry => "retry",
        }
    }
}

impl Reason {
    /// Its class.
    #[expect(clippy::too_many_lines, reason = "each case has its line")]
    pub(crate) fn class(&self) -> Class {
        match self {
            Reason::Forced => Class::Forced,
            Reason::TriedAgain(_) => Class::Retry,
            Reason::OtherRevision { .. }
            | Reason::NoRevision { .. }
            | Reason::Changed(_)
            | Reason::MayHaveChanged(_)
            | Reason::FileMayHaveChanged { .. }
            | Reason::Unfinished => Class::LostState,
            Reason::Line(_) | Reason::Flaw(_) => Class::Configuration,
            Reason::File { .. }
            | Reason::ListLine { .. }
            | Reason::ListNotApplied(_)
            | Reason::FilesChanged(_)
            | Reason::FirstCertificate { .. }
            | Reason::SameName { .. }
            | Reason::NoSctl
            | Reason::PassPhrase
            | Reason::OddPem
            | Reason::OddName
            | Reason::NotReported(_)
            | Reason::Issue3165 => Class::File,
            // `why` is why the difference needs a reload.
            Reason::Differs { why, .. } => why.class(),
            Reason::NoWorker
            | Reason::NoSocket
            | Reason::NoVersion
            | Reason::Socket { .. }
            | Reason::Answer { .. }
            | Reason::Incomplete => Class::Socket,
            Reason::OtherFiles | Reason::OtherWorker { .. } | Reason::Loading => Class::Haproxy,
            Reason::Unlike
            | Reason::Rejected(_)
            | Reason::NotApplied(_)
            | Reason::Parked(_)
            | Reason::Backend { .. }
            | Reason::Twice { .. }
            | Reason::Named { .. }
            | Reason::Server { .. }
            | Reason::Option(_)
            | Reason::Name
            | Reason::Fixed(_)
            | Reason::AgentWeight
            | Reason::DisabledMove
            | Reason::CutsSessions
            | Reason::ParkedOptions(_)
            | Reason::AddedByHand
            | Reason::CannotAdd
            | Reason::KeywordVersion(_)
            | Reason::BackupOrder
            | Reason::Issue3360
            | Reason::TooManyOptions => Class::Server,
        }
    }
}
