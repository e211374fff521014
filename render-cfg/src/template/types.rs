//! Says in a template's words what Tera says with names of Rust's types: `expected &[Value] but got undefined`.

use super::hints::{of_a_path, tag_around};

/// The types that Tera names, as words for an operator.
const TYPES: [(&str, &[&str]); 6] = [
    ("text", &["&str", "string", "String"]),
    ("a list", &["&[Value]", "Vec<Value>", "array"]),
    ("a map", &["Map", "&Map", "map/struct"]),
    ("true or false", &["bool"]),
    ("a number", &["Number", "number", "f32", "f64", "i64", "i128"]),
    ("a whole number", &["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "isize"]),
];

/// Tera's reason, if it is about the type of a value, in other words and with what to do.
pub(crate) fn plain(reason: &str, line: &str, column: usize) -> Option<String> {
    let (wanted, got) = types(reason)?;
    if !matches!(got, "undefined" | "none") {
        let remedy = remedy(wanted, got).map(|remedy| format!("; {remedy}")).unwrap_or_default();
        return Some(format!("expected {wanted} but got {}{remedy}", word(got)));
    }
    let tag = tag_around(line, column);
    let remedy = of_a_path(tag).unwrap_or_else(|| match wanted {
        "a list" => "write (value or [])".to_owned(),
        _ => "for a default write | default(value=\"x\")".to_owned(),
    });
    Some(format!("the value is missing, and must be {wanted}; {remedy}"))
}

/// What is wanted, in words, and what Tera got, in its own word.
fn types(reason: &str) -> Option<(&'static str, &str)> {
    let length = reason.strip_prefix("value of type ").and_then(|rest| rest.strip_suffix(" has no length"));
    if let Some(got) = length {
        return Some(("a list", got));
    }
    let types = reason.strip_prefix("invalid type for the value, expected `")?.strip_suffix('`')?;
    let (wanted, got) = types.split_once("` but got `")?;
    Some((known(wanted)?, got))
}

fn known(name: &str) -> Option<&'static str> {
    TYPES.iter().find(|(_, names)| names.contains(&name)).map(|(word, _)| *word)
}

fn word(name: &str) -> &str {
    known(name).unwrap_or(name)
}

fn remedy(wanted: &str, got: &str) -> Option<&'static str> {
    match (wanted, word(got)) {
        ("text", "a map") => Some("write one of its fields, such as node.address"),
        ("a list", "a map") => Some("for one node write [node], or the filter server"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_in_words_with_what_to_do() {
        let list = "invalid type for the value, expected `&[Value]` but got `undefined`";
        let text = "invalid type for the value, expected `&str` but got `none`";
        let length = "value of type undefined has no length";
        for (reason, line, plainly) in [
            (list, "{{ roles.web | sort }}", "list; for a role without nodes write (roles.web or [])"),
            (
                length,
                "{{ roles[\"a\"] | length }}",
                "list; for a role without nodes write (roles[\"a\"] or [])",
            ),
            (length, "{{ roles.a-b | length }}", "list; a dash is a subtraction: write roles[\"a-b\"]"),
            (
                text,
                "{{ n.tags.x | comment }}",
                "text; for nodes without this tag write | default(value=\"x\")",
            ),
            (text, "{{ vars.x | comment }}", "text; set it with --set, or write | default(value=\"x\")"),
            (text, "{{ none | comment }}", "text; for a default write | default(value=\"x\")"),
            (list, "{{ x | sort }}{{ roles.a }}", "list; write (value or [])"),
        ] {
            let expected = format!("the value is missing, and must be {plainly}");
            let expected = expected.replace("must be list", "must be a list");
            assert_eq!(plain(reason, line, 4).as_deref(), Some(expected.as_str()), "{line}");
        }
        let map = "invalid type for the value, expected `&str` but got `map/struct`";
        let node = "expected text but got a map; write one of its fields, such as node.address";
        assert_eq!(plain(map, "{{ node | endpoint(port=1) }}", 4).as_deref(), Some(node));
        assert_eq!(plain("'x' is not a port", "", 1), None);
    }
}
