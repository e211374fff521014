//! Warns about settings that the template does not use: a misspelt setting would otherwise have no effect and cause no
//! message.

use std::collections::BTreeSet;

use common::messages::Messages;

use crate::args::Args;
use crate::template;
use crate::vars::{Var, is_name_byte};

/// scripts/settings.sh sets it in any case, and a template need not use it.
pub(crate) const ALWAYS_SET: &str = "self";

/// Warns about each setting that the template does not use. With --log-state a warning that lasts is logged only once
/// an hour, and printed with `-v`. A template that cannot be read is reported later.
pub(crate) fn warn_of_unused(args: &Args, messages: &mut Messages) {
    let Ok(source) = template::limits::read(&args.template) else { return };
    for line in unused(&args.vars, &source) {
        match args.messages.log_state {
            Some(_) => messages.standing(line),
            None => messages.warn(line),
        }
    }
}

/// A line for each setting that the template does not use.
fn unused(vars: &[Var], source: &str) -> Vec<String> {
    let Some(used) = used(source) else { return Vec::new() };
    let all = match used.is_empty() {
        true => "it uses none".to_owned(),
        false => format!("it uses {}", used.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    let is_used = |var: &Var| var.name == ALWAYS_SET || used.contains(var.name.as_str());
    let mut reported = BTreeSet::new();
    let news = vars.iter().filter(|var| !is_used(var) && reported.insert(&var.name));
    let from = |var: &Var| var.variable.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
    news.map(|var| format!("the template does not use setting '{}'{}; {all}", var.name, from(var))).collect()
}

/// The names in `vars.NAME` and `vars["NAME"]`, outside comments. `None` if the template uses `vars` in another way, so
/// that any name may be used.
pub(crate) fn used(source: &str) -> Option<BTreeSet<&str>> {
    let mut parts = source.split("{#");
    let first = parts.next();
    let rest = parts.filter_map(|part| part.split_once("#}")).map(|(_, after)| after);
    let mut names = BTreeSet::new();
    for part in first.into_iter().chain(rest) {
        names.extend(used_in(part)?);
    }
    Some(names)
}

/// The same for a part of the source without comments.
fn used_in(source: &str) -> Option<BTreeSet<&str>> {
    let mut names = BTreeSet::new();
    for (at, vars) in source.match_indices("vars") {
        let (before, after) = (source[..at].bytes().last(), &source[at + vars.len()..]);
        let is_part = |byte: u8| is_name_byte(byte) || byte == b'.';
        if before.is_some_and(is_part) || after.bytes().next().is_some_and(is_name_byte) {
            continue;
        }
        let name = after.strip_prefix('.').or_else(|| after.strip_prefix("[\""));
        let name = name.or_else(|| after.strip_prefix("['"))?;
        let end = name.bytes().position(|byte| !is_name_byte(byte)).unwrap_or(name.len());
        names.insert(Some(&name[..end]).filter(|name| !name.is_empty())?);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_a_template_uses_are_found() {
        for (source, names) in [
            ("", Some(&[][..])),
            ("{{ vars.b }}{% if vars[\"a\"] and not vars['c_1'] %}", Some(&["a", "b", "c_1"])),
            (
                "{{ my_vars.x }}{{ node.vars.x }}{{ vars_of.x }}{{ vars.a.b | default(value=vars.b) }}",
                Some(&["a", "b"]),
            ),
            ("{# `--vars`, vars.b #}{{ vars.a }}{#- vars -#}", Some(&["a"])),
            ("{{ vars.a }}{% for k, v in vars %}", None),
            ("{{ vars[name] }}", None),
            ("{{ vars | length }}", None),
        ] {
            assert_eq!(
                used(source).map(|names| names.into_iter().collect::<Vec<_>>()).as_deref(),
                names,
                "{source}"
            );
        }
    }

    #[test]
    fn an_unused_setting_is_named_once_but_not_self() {
        let mut vars: Vec<Var> =
            ["a=1", "self=x", "bb=2", "bb=3"].map(|text| Var::parse(text).unwrap()).into();
        vars[2].variable = Some("V".to_owned());
        let lines = ["the template does not use setting 'bb' of V; it uses a, b"];
        assert_eq!(unused(&vars, "{{ vars.b }}{{ vars.a }}"), lines);
        assert_eq!(unused(&vars[..1], "x"), ["the template does not use setting 'a'; it uses none"]);
        assert_eq!(unused(&vars, "{{ vars }}"), [""; 0]);
    }
}
