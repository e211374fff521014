//! A service: its name and its settings.

use tera::Value;

use super::keys::SERVICE;
use super::shape::get;
use crate::setting_path::{SettingPath, Wrong};

/// A service with its checked settings.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) path: SettingPath,
    pub(super) settings: Value,
}

impl Service {
    /// Checks its settings, each alone.
    pub(super) fn read(name: &str, value: &Value, path: SettingPath) -> Result<Service, Wrong> {
        let settings = SERVICE.check(value, &path)?;
        Ok(Service { name: name.to_owned(), path, settings })
    }

    /// A setting, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<&Value> {
        get(&self.settings, key)
    }

    /// A setting that is text.
    pub(super) fn text(&self, key: &'static str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// A setting that is a list of texts.
    pub(super) fn texts(&self, key: &'static str) -> Vec<&str> {
        self.get(key).and_then(Value::as_array).unwrap_or_default().iter().filter_map(Value::as_str).collect()
    }

    /// Whether its mode is TCP.
    pub(super) fn is_tcp(&self) -> bool {
        self.text("mode") == Some("tcp")
    }

    /// The path of one of its settings.
    pub(super) fn path(&self, key: &str) -> SettingPath {
        self.path.at(key)
    }
}
