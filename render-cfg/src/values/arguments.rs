//! The names of arguments. Tera ignores an argument that it does not know, so `number(mn=1)` would limit nothing.

use tera::{Error, Kwargs, TeraResult};

/// Refuses an argument of the filter `name` that is not one of `known`.
pub(crate) fn of_filter(name: &str, given: &Kwargs, known: &[&str]) -> TeraResult<()> {
    refuse_unknown("filter", name, given, known)
}

/// Refuses an argument of the test `name` that is not one of `known`.
pub(super) fn of_test(name: &str, given: &Kwargs, known: &[&str]) -> TeraResult<()> {
    refuse_unknown("test", name, given, known)
}

fn refuse_unknown(what: &str, name: &str, given: &Kwargs, known: &[&str]) -> TeraResult<()> {
    let given = given.iter().filter_map(|(key, _)| key.as_str());
    // The first one by name: the same template gives the same error.
    let Some(unknown) = given.filter(|key| !known.contains(key)).min() else { return Ok(()) };
    let all = match known {
        [] => "it has none".to_owned(),
        [one] => format!("it has '{one}'"),
        known => format!("its arguments are {}", known.join(", ")),
    };
    Err(Error::message(format!("the {what} '{name}' has no argument '{unknown}'; {all}")))
}
