//! Adds to an error of Tera what to write instead. Templates are often written from memory of Tera 1 or Jinja, and
//! Tera's messages name what it found, but not what to write.

/// The tags of Tera 2.
const TAGS: &str = "if, elif, else, for, break, continue, set, set_global, filter, block, raw and component";

/// Tags of Tera 1 and Jinja, with what to write.
const OTHER_TAGS: [(&str, &str); 8] = [
    ("macro", "write {% component name(x) %} and {{<name x={x} />}}"),
    ("import", "there is only one template file"),
    ("from", "there is only one template file"),
    ("call", "write a {% component %}"),
    ("with", "write {% set %}"),
    ("do", "write {% set %}"),
    ("elseif", "write {% elif %}"),
    ("autoescape", "every value is escaped; write | safe for one that is not"),
];

/// Filters of Tera 1 and Jinja, with what to write.
const OTHER_FILTERS: [(&str, &str); 21] = [
    ("map", "write [node.name for node in nodes]"),
    ("filter", "write [node for node in nodes if node.role == \"web\"]"),
    ("select", "write [x for x in list if x]"),
    ("reject", "write [x for x in list if not x]"),
    ("selectattr", "write [node for node in nodes if node.tags.zone]"),
    ("rejectattr", "write [node for node in nodes if not node.tags.zone]"),
    ("groupby", "write | group_by(attribute=\"tags.zone\")"),
    ("dictsort", "a loop over a map is sorted already"),
    ("items", "write {% for key, value in map %}"),
    ("count", "write | length"),
    ("string", "write | str"),
    ("list", "a list comprehension makes a list"),
    ("d", "write | default(value=\"x\")"),
    ("e", "every value is escaped already"),
    ("concat", "write [first, second], or ~ for text"),
    ("slice", "write list[0:2]"),
    ("format", "join text with ~"),
    ("slugify", "test a value with `is name` and leave the node out"),
    ("date", "a text must depend on the nodes only, so there is no time"),
    ("regex_replace", "test a value with `is matching(pat=\"^[a-z]+$\")`"),
    ("trim_start_matches", "write | trim_start(pat=\"x\")"),
];

/// Tests of Tera 1 and Jinja, with what to write.
const OTHER_TESTS: [(&str, &str); 7] = [
    ("object", "write is map"),
    ("mapping", "write is map"),
    ("sequence", "write is array"),
    ("divisibleby", "write is divisible_by(divisor=2)"),
    ("match", "write is matching(pat=\"^[a-z]+$\")"),
    ("in", "write x in list"),
    ("empty", "write not list"),
];

/// Functions of Tera 1 and Jinja, with what to write.
const OTHER_FUNCTIONS: [(&str, &str); 5] = [
    ("get_env", "write env.NAME"),
    ("now", "a text must depend on the nodes only, so there is no time"),
    ("get_random", "a text must depend on the nodes only"),
    ("dict", "write {\"key\": value}"),
    ("namespace", "write {% set_global %}"),
];

/// Operators of other languages, with what to write.
const OPERATORS: [(&str, &str); 4] =
    [("&", "write and"), ("|", "write or"), ("!", "write not"), ("?", "write a if condition else b")];

/// What to do about an error with this reason at this place, if it is known.
pub(crate) fn hint(reason: &str, line: &str, column: usize) -> Option<String> {
    let at = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let (before, after) = line.split_at(at);
    if reason == "unknown tag" {
        let tag = word(after);
        return Some(
            replacement(&OTHER_TAGS, tag)
                .unwrap_or_else(|| format!("'{tag}' is not a tag; the tags are {TAGS}")),
        );
    }
    for (kind, known) in [
        ("unknown filter `", &OTHER_FILTERS[..]),
        ("unknown test `", &OTHER_TESTS),
        ("unknown function `", &OTHER_FUNCTIONS),
    ] {
        if let Some(name) = reason.strip_prefix(kind) {
            let name = word(name);
            return replacement(known, name).or(Some("render-cfg's manual lists all of them".to_owned()));
        }
    }
    of_syntax(reason, before, after).map(str::to_owned).or_else(|| dash(reason, before, after))
}

fn replacement(known: &[(&str, &str)], name: &str) -> Option<String> {
    known
        .iter()
        .find(|(other, _)| *other == name)
        .map(|(name, what)| format!("Tera 2 has no '{name}': {what}"))
}

/// What to do about syntax that Tera did not expect.
fn of_syntax(reason: &str, before: &str, after: &str) -> Option<&'static str> {
    let tag = before.rfind("{%").map_or("", |start| &before[start..]);
    if reason.contains("but expected else") && tag.contains("for ") && tag.contains(" if ") {
        return Some(
            "a loop has no `if`: put {% if %} into it, or write [node for node in nodes if node.tags.zone]",
        );
    }
    if reason.ends_with("but expected identifier") && before.ends_with('.') {
        return Some("write list[0] instead of list.0");
    }
    if reason.ends_with("but expected identifier") && before.ends_with('(') {
        return Some("an argument has a name, such as default(value=\"x\") or starting_with(pat=\"x\")");
    }
    if reason.starts_with("function calls are only allowed at the first element") {
        return Some(
            "values have no methods: write {% for key, value in map %}, or a filter such as | upper",
        );
    }
    if let Some((_, hint)) = OPERATORS.iter().find(|(mark, _)| after.starts_with(mark)) {
        return Some(hint);
    }
    if reason.starts_with("unknown template") || reason.contains("is inheriting from") {
        return Some("there is only one template file");
    }
    of_missing(reason, before)
}

/// What to do about a value that not every node, or no setting, has.
fn of_missing(reason: &str, before: &str) -> Option<&'static str> {
    if reason.starts_with("iteration not possible on type `undefined`") {
        return Some("for a role without nodes write `or []` after it");
    }
    let is_missing = reason.starts_with("field `") && reason.contains("is not defined");
    if !is_missing && !reason.ends_with("a variable that is undefined") {
        return None;
    }
    let path = before.rsplit(|c: char| !(c.is_alphanumeric() || "_.".contains(c))).next().unwrap_or_default();
    of_missing_path(path)
}

fn of_missing_path(path: &str) -> Option<&'static str> {
    match path {
        "roles." => Some("no node has this role: write `or []` after it"),
        "vars." => Some("set it with --set, or write | default(value=\"x\")"),
        path if path.ends_with("tags.") => Some("for nodes without this tag write | default(value=\"x\")"),
        _ => None,
    }
}

/// What to do about `roles.web-api`, which is a subtraction. The error is at the beginning of the path or at its last
/// name.
fn dash(reason: &str, before: &str, after: &str) -> Option<String> {
    let is_path = |c: char| c.is_alphanumeric() || "_.-[]\"".contains(c);
    let start = before
        .rfind(|c| !is_path(c))
        .map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
    let end = after.find(|c| !is_path(c)).unwrap_or(after.len());
    let path = [&before[start..], &after[..end]].concat();
    let (map, key) = path.rsplit_once('.').filter(|(map, key)| !map.is_empty() && key.contains('-'))?;
    reason.starts_with("math operations").then(|| format!("a dash is a subtraction: write {map}[\"{key}\"]"))
}

/// The `{{ }}` or `{% %}` around this place.
pub(super) fn tag_around(line: &str, column: usize) -> &str {
    let at = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let start = line[..at].rfind(['{', '}']).map_or(0, |brace| brace + 1);
    let end = line[at..].find(['}', '{']).map_or(line.len(), |brace| at + brace);
    &line[start..end]
}

/// What to do about a value that is missing in this tag: a role without nodes, a node without a tag, or a setting.
pub(super) fn of_a_path(tag: &str) -> Option<String> {
    let role = tag.find("roles.").or_else(|| tag.find("roles["));
    if let Some(start) = role {
        let is_path = |c: char| c.is_alphanumeric() || "_.-[]\"'".contains(c);
        let end = tag[start..].find(|c| !is_path(c)).map_or(tag.len(), |length| start + length);
        let path = &tag[start..end];
        return Some(match path.strip_prefix("roles.").filter(|name| name.contains('-')) {
            Some(name) => format!("a dash is a subtraction: write roles[\"{name}\"]"),
            None => format!("for a role without nodes write ({path} or [])"),
        });
    }
    let tags = tag.contains("tags.").then_some("tags.");
    let vars = tag.contains("vars.").then_some("vars.");
    of_missing_path(tags.or(vars)?).map(str::to_owned)
}

fn word(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
}
