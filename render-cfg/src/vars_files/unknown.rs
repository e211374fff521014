//! Refuses a setting of a file that the template does not use: a slip must not silently do nothing.

use common::failure::{Code, Failure};

use super::FileVars;
use crate::args::Args;
use crate::near::near;
use crate::setting_path::SettingPath;
use crate::template;
use crate::unused_vars::{ALWAYS_SET, used};

/// Fails at the first setting of the files that the template does not use, by name. A template that uses `vars` as a
/// whole may use any. One that cannot be read is reported later.
pub(crate) fn refuse_unknown(args: &Args, files: &FileVars) -> Result<(), Failure> {
    if files.table.is_empty() {
        return Ok(());
    }
    let Ok(source) = template::limits::read(&args.template) else { return Ok(()) };
    let Some(used) = used(&source) else { return Ok(()) };
    let is_unknown = |key: &&String| *key != ALWAYS_SET && !used.contains(key.as_str());
    let Some(key) = files.table.keys().find(is_unknown) else { return Ok(()) };
    let advice = match near(key, used.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if used.is_empty() => "it uses none".to_owned(),
        None => format!("it uses {}", used.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    let path = files.origin(&SettingPath::of(key)).unwrap_or_else(|| args.template.display().to_string());
    Err(Failure::new(
        Code::Usage,
        format!("cannot use '{path}': the template does not use setting '{}'; {advice}", key.escape_debug()),
    ))
}
