//! What filters leave besides their results: nodes that are not served, files beside the output, warnings, and a wrong
//! setting with its path.

use std::sync::{Arc, Mutex, PoisonError};

use tera::Error;

use crate::filters::endpoints::Unservable;
use crate::setting_path::Wrong;
use crate::side_files::SideFiles;

/// The effects of one template's filters.
#[derive(Clone, Debug)]
pub(crate) struct Effects {
    pub(crate) unservable: Unservable,
    pub(crate) files: SideFiles,
    pub(crate) warnings: Warnings,
    pub(crate) wrong: WrongSetting,
}

impl Effects {
    pub(crate) fn new(files: SideFiles) -> Effects {
        Effects {
            unservable: Unservable::default(),
            files,
            warnings: Warnings::default(),
            wrong: WrongSetting::default(),
        }
    }

    /// Forgets the last render.
    pub(crate) fn reset(&self) {
        self.unservable.reset();
        self.files.reset();
        self.warnings.take();
        self.wrong.take();
    }
}

/// What is probably wrong, though the text is complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    pub(crate) fn add(&self, lines: impl IntoIterator<Item = String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
    }

    /// Removes and returns them.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The setting because of which a filter has failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct WrongSetting(Arc<Mutex<Option<Wrong>>>);

impl WrongSetting {
    /// Notes the setting. The filter must fail with the error that this returns.
    pub(crate) fn refuse(&self, wrong: Wrong) -> Error {
        let error = Error::message(&wrong.reason);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(wrong);
        error
    }

    /// Removes and returns it.
    pub(crate) fn take(&self) -> Option<Wrong> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
