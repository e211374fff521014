//! The property of reload-haproxy's decision for two configurations. If a line differs that is not a server's, it
//! must reload. If nothing differs, it must do nothing. After its commands, HAProxy must have the servers of the new
//! file.

use reload_haproxy::offline::{self, Decision, decide};

use crate::model::Model;
use crate::non_server_lines::outline;
use crate::simple_config::{self, Servers};
use crate::word_splitting::words;

type Decided = Decision<Vec<String>, String>;

/// Checks the property for an input of four parts with lines of `%%` between: HAProxy's version, the file that it
/// runs, the new file, and its answer to `show servers state`. If the new file is missing, the old one is used. If
/// the answer is missing, HAProxy has the servers of the old file, or none if that file is not simple.
pub(crate) fn holds(input: &[u8]) {
    let mut parts = parts(input).into_iter();
    let mut part = || parts.next().unwrap_or_default();
    let (version, old) = (part(), part());
    let new = Some(part()).filter(|new| !new.is_empty()).unwrap_or(old);
    let version = String::from_utf8_lossy(version);
    let answer = String::from_utf8_lossy(part());
    // HAProxy rejects a file with a NUL in it.
    if input.contains(&0) {
        let decision = decide(old, new, &answer, version.trim());
        assert!(old == new || !new.contains(&0) || matches!(decision, Decision::Reload(_)), "{decision:?}");
        return;
    }
    [old, new].into_iter().for_each(check_words);
    let before = simple_config::servers(old);
    let begun = before.as_ref().filter(|_| answer.trim().is_empty()).map(Model::begun);
    let answer = match &begun {
        Some(model) => model.answer(),
        None if answer.trim().is_empty() => Model::default().answer(),
        None => answer.into_owned(),
    };
    let decision = decide(old, new, &answer, version.trim());
    check_outlines(old, new, &decision);
    if old == new {
        assert!(!matches!(decision, Decision::Reload(_)), "the same file twice: {decision:?}");
        assert!(
            begun.is_none() || matches!(decision, Decision::Nothing(_)),
            "it has what is in the file: {decision:?}"
        );
    }
    if let (Some(before), Some(after)) = (before, simple_config::servers(new))
        && let Some(model) = begun.or_else(|| Model::answering(&answer, &before))
    {
        check_servers(model, &before, &after, &decision, old == new);
    }
}

/// The parts between lines of `%%`.
fn parts(input: &[u8]) -> Vec<&[u8]> {
    let mut parts = vec![];
    let mut rest = input;
    while let Some(at) = rest.windows(4).position(|part| part == b"\n%%\n") {
        parts.push(&rest[..=at]);
        rest = &rest[at + 4..];
    }
    parts.push(rest);
    parts
}

/// Checks that lines are split into words as HAProxy splits them. Lines with bytes beyond ASCII are only checked in
/// the outlines.
fn check_words(config: &[u8]) {
    for line in config.split(|byte| *byte == b'\n') {
        let Some(words) = words(line) else { continue };
        let Ok(line) = std::str::from_utf8(line) else { continue };
        if !words.iter().all(|(bytes, _)| bytes.is_ascii()) {
            continue;
        }
        let read = offline::words(line);
        assert!(
            read.iter().map(|(text, _)| text.as_bytes()).eq(words.iter().map(|(bytes, _)| &bytes[..])),
            "{line:?} has the words {words:?} and is read as {read:?}"
        );
        assert!(read.iter().zip(&words).all(|(read, word)| read.1 || !word.1), "a variable in {line:?}");
    }
}

fn check_outlines(old: &[u8], new: &[u8], decision: &Decided) {
    let (Some(before), Some(after)) = (outline(old), outline(new)) else { return };
    if let Some((one, other)) = before.iter().zip(&after).find(|(one, other)| one != other) {
        assert!(matches!(decision, Decision::Reload(_)), "{one:?} has become {other:?}: {decision:?}");
    }
    assert!(before.len() == after.len() || matches!(decision, Decision::Reload(_)), "lines: {decision:?}");
}

/// Checks that HAProxy has the new file's servers after the commands.
fn check_servers(model: Model, before: &Servers, after: &Servers, decision: &Decided, is_same: bool) {
    let lines = match decision {
        Decision::Servers(lines, _) => &lines[..],
        // If the file is the same, differences that cannot be changed at run time may stay.
        Decision::Nothing(_) if !is_same => &[],
        _ => return,
    };
    let mut changed = model.clone();
    lines.iter().for_each(|line| changed.obey(line));
    for (key, server) in after {
        let live = changed.servers.get(key).unwrap_or_else(|| panic!("{key} is not there: {decision:?}"));
        assert_eq!(live.endpoint, Some(server.endpoint), "{key} after {decision:?}");
        assert_eq!(live.weight, server.number("weight", 1), "{key} after {decision:?}");
        assert_eq!(live.maxconn, Some(server.number("maxconn", 0)), "{key} after {decision:?}");
        let stays = model.servers.get(key).is_some_and(|live| live.is_in_maintenance);
        let is_right = live.is_in_maintenance == server.is_disabled() || stays && live.is_in_maintenance;
        assert!(is_right, "{key} in maintenance: {} after {decision:?}", live.is_in_maintenance);
        check_options(key, live.options.as_ref(), server, before);
    }
    let backends: Vec<&str> = after.keys().filter_map(|key| Some(key.split_once('/')?.0)).collect();
    for (key, live) in changed.servers.iter().filter(|(key, _)| !after.contains_key(*key)) {
        let is_ours = key.split_once('/').is_some_and(|(backend, _)| backends.contains(&backend));
        assert!(!is_ours || live.is_in_maintenance, "{key} is left after {decision:?}");
    }
}

/// Checks that an added server got all options of its line, and that an older server has the options that it had
/// before.
fn check_options(
    key: &str,
    added: Option<&simple_config::Options>,
    server: &simple_config::Server,
    before: &Servers,
) {
    const OWN: [&str; 5] = ["pool-purge-delay", "pool-max-conn", "weight", "maxconn", "disabled"];
    let plain = |options: &simple_config::Options| -> simple_config::Options {
        let options = options.iter().filter(|(keyword, _)| !OWN.contains(&keyword.as_str()));
        options.map(|(keyword, value)| (keyword.clone(), value.clone())).collect()
    };
    let told = added.or_else(|| before.get(key).map(|server| &server.options));
    assert_eq!(told.map(plain), Some(plain(&server.options)), "options of {key}");
}
