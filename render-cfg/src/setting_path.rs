//! The path of a setting: its name, and the keys of the tables in it; and what is wrong with a setting.

use std::fmt::{self, Display};

/// A path such as `services.shop.port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettingPath(Vec<String>);

impl SettingPath {
    /// The path of a whole setting.
    pub(crate) fn of(name: &str) -> SettingPath {
        SettingPath(vec![name.to_owned()])
    }

    /// The path of a value in the table at this path.
    pub(crate) fn at(&self, key: &str) -> SettingPath {
        SettingPath(self.0.iter().cloned().chain([key.to_owned()]).collect())
    }

    /// The name of the setting, which is the first key.
    pub(crate) fn name(&self) -> &str {
        &self.0[0]
    }

    /// All keys, the outermost first.
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

impl Display for SettingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, key) in self.0.iter().enumerate() {
            let dot = if depth == 0 { "" } else { "." };
            write!(f, "{dot}{}", key.escape_debug())?;
        }
        Ok(())
    }
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) path: SettingPath,
    pub(crate) reason: String,
}

impl Wrong {
    pub(crate) fn new(path: &SettingPath, reason: impl Into<String>) -> Wrong {
        Wrong { path: path.clone(), reason: reason.into() }
    }
}
