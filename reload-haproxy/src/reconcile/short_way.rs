//! The short way to a change of a few servers: only they are looked at, before and after.
//!
//! A short time ago all servers were compared with the file that HAProxy runs, and no other run has changed them since.
//! Whoever changes another one by hand meanwhile is found by the next look at all: at the latest when the file is the one
//! that runs, or when the last look is too long ago. In any doubt the pass looks at all servers.

use crate::config::content::{fingerprint, text};
use crate::config::excerpt::{Excerpt, excerpt};
use crate::config::file::Config;
use crate::haproxy::instance::Worker;
use crate::haproxy::proc::since_boot;
use crate::servers::few::Few;
use crate::state::directory::StateDir;
use crate::state::note::Note;

/// A change of a few servers.
pub(super) struct ShortWay {
    pub(super) excerpt: Excerpt,
    pub(super) note: Note,
    pub(super) few: Few,
}

impl ShortWay {
    /// From what the state directory has about the worker, to the file as it is now.
    pub(super) fn find(state: &StateDir, worker: &Worker, config: &Config) -> Option<ShortWay> {
        let note = state.note_about(worker).filter(|note| note.may_look_at_few(since_boot()))?;
        // Where servers can be deleted, the next change tries that again with the parked ones.
        if worker.version?.can_delete() && !note.parked.is_empty() {
            return None;
        }
        // Mostly the file has not changed.
        let loaded = state.has_other_copy(config).then(|| state.copy()).flatten()?;
        let excerpt = excerpt(&text(&loaded), &config.text())?;
        if note.fingerprint != fingerprint(&loaded) {
            return None;
        }
        let few = Few::new(&excerpt.servers, &note.parked, state.ids.read(worker)?)?;
        Some(ShortWay { excerpt, note, few })
    }
}
