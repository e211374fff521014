//! Refuses a setting of a file that the template does not use: a slip must not silently do nothing.

use common::failure::{Code, Failure};
use strsim::levenshtein;

use super::FileVars;
use crate::args::Args;
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
    let path = files.origin(key).unwrap_or_else(|| args.template.display().to_string());
    Err(Failure::new(
        Code::Usage,
        format!("cannot use '{path}': the template does not use setting '{}'; {advice}", key.escape_debug()),
    ))
}

/// The known name that differs least, if it differs by at most a third of its letters.
fn near<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let name: String = plain(name).chars().take(100).collect();
    let distances = known.map(|known| (levenshtein(&name, &plain(known)), known));
    distances.min().filter(|(far, known)| *far <= known.len().div_ceil(3)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_has_a_near_name_and_another_word_has_none() {
        let known = ["balance", "bind", "check_path", "maxconn"];
        for (name, wanted) in [
            ("blance", Some("balance")),
            ("Bind", Some("bind")),
            ("check-path", Some("check_path")),
            ("max_conn", Some("maxconn")),
            ("services", None),
            ("", None),
        ] {
            assert_eq!(near(name, known.into_iter()), wanted, "{name}");
        }
    }
}
