//! What each change of a file needs.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::*;
use crate::state::digest::Digest;
use crate::state::loaded_files::{Part, Stamp};

const SINCE: Since = Since { pid: 7, born: SystemTime::UNIX_EPOCH };

/// An item with one file, which holds `content`; empty if it cannot be read.
fn item(kind: FileKind, name: &str, content: &str) -> Item {
    let is_readable = !content.is_empty();
    let part = Part {
        path: name.into(),
        digest: is_readable.then(|| Digest::of(content.as_bytes())),
        error: (!is_readable).then(|| "gone".to_owned()),
        ..Part::default()
    };
    Item {
        kind,
        name: name.to_owned(),
        line: 5,
        more_lines: Vec::new(),
        parts: vec![part],
        entries: Vec::new(),
    }
}

fn list(name: &str, content: &str, entries: &[&str]) -> Item {
    let entries = entries.iter().map(|entry| (*entry).to_owned()).collect();
    Item { entries, ..item(FileKind::CertificateList, name, content) }
}

fn files(items: &[Item]) -> LoadedFiles {
    LoadedFiles { items: items.iter().cloned().map(Rc::new).collect(), ..LoadedFiles::default() }
}

fn compared(old: &[Item], now: &[Item]) -> FileChanges {
    changes(files(now), Some(&files(old)), &BTreeSet::new(), SINCE)
}

fn loaded(found: &FileChanges) -> Vec<Item> {
    found.loaded().items.iter().map(|item| Item::clone(item)).collect()
}

fn shown(found: &FileChanges) -> Vec<String> {
    found.differences()
}

#[test]
fn equal_contents_are_no_change_and_new_names_come_with_the_configuration() {
    let old = [item(FileKind::Map, "/m", "1")];
    let now = [item(FileKind::Map, "/m", "1"), item(FileKind::Map, "/n", "2")];
    let found = compared(&old, &now);
    assert_eq!(shown(&found), [] as [&str; 0]);
    assert_eq!(loaded(&found), now);
}

#[test]
fn the_content_decides_between_a_change_and_a_reload() {
    for kind in
        [FileKind::Certificate, FileKind::Authorities, FileKind::Revocations, FileKind::Map, FileKind::Acl]
    {
        let old = item(kind, "/f", "1");
        let found = compared(std::slice::from_ref(&old), &[item(kind, "/f", "2")]);
        assert_eq!(found.changes, [Change::Replace(item(kind, "/f", "2"))]);
        assert_eq!(loaded(&found), [old], "it is not loaded yet");
    }
    let found = compared(&[item(FileKind::Other, "/f", "1")], &[item(FileKind::Other, "/f", "2")]);
    assert_eq!(shown(&found), ["/f, which line 5 names, has changed"]);
    assert!(found.changes.is_empty());
}

#[test]
fn a_file_that_became_unreadable_is_bad_and_one_that_never_was_readable_is_not() {
    let readable = item(FileKind::Certificate, "/f", "1");
    let unreadable = item(FileKind::Certificate, "/f", "");
    let found = compared(std::slice::from_ref(&readable), std::slice::from_ref(&unreadable));
    assert_eq!(shown(&found), ["/f, which line 5 names: gone"]);
    assert_eq!(loaded(&found), [readable], "HAProxy has what it had");
    assert_eq!(
        shown(&compared(std::slice::from_ref(&unreadable), std::slice::from_ref(&unreadable))),
        [] as [&str; 0]
    );
}

#[test]
fn a_map_that_haproxy_writes_is_left_alone() {
    let written = BTreeSet::from(["/m".to_owned()]);
    let old = files(&[item(FileKind::Map, "/m", "1")]);
    let found = changes(files(&[item(FileKind::Map, "/m", "2")]), Some(&old), &written, SINCE);
    assert_eq!(found.left_alone, [("/m".to_owned(), 5)]);
    assert!(found.changes.is_empty() && found.reloads.is_empty());
}

#[test]
fn without_a_memory_the_times_of_the_files_decide() {
    let at = |seconds: u64| {
        let stamp: Stamp =
            serde_json::from_value(serde_json::json!([1, 1, 1, 0, seconds * 1_000_000_000])).unwrap();
        let mut item = item(FileKind::Other, "/f", "1");
        item.parts[0].stamp = Some(stamp);
        item
    };
    let since = Since { pid: 7, born: SystemTime::UNIX_EPOCH + Duration::from_secs(100) };
    let seen = |item: Item| shown(&changes(files(&[item]), None, &BTreeSet::new(), since));
    assert_eq!(seen(at(90)), [] as [&str; 0]);
    assert_eq!(seen(at(91)), ["/f, which line 5 names, may have changed since worker 7 started"]);
    assert_eq!(seen(item(FileKind::Other, "/f", "")), [] as [&str; 0], "HAProxy may not load it at all");
}

#[test]
fn a_change_that_is_refused_is_seen_again_even_if_nothing_was_known_before() {
    let now = files(&[item(FileKind::Map, "/m", "1")]);
    let found = changes(now.clone(), None, &BTreeSet::new(), SINCE);
    assert_eq!(found.changes.len(), 1);
    assert_eq!(changes(now, Some(&found.loaded()), &BTreeSet::new(), SINCE).changes, found.changes);
}

#[test]
fn certificates_that_come_and_go_behind_the_first_are_changed_one_by_one() {
    let certificates = ["/a", "/b", "/c"].map(|name| item(FileKind::Certificate, name, name));
    let old = [&[list("/l", "1", &["/a x", "/b y"])], &certificates[..2]].concat();
    let now = [&[list("/l", "2", &["/a x", "/c z"])], &certificates[..1], &certificates[2..]].concat();
    let found = compared(&old, &now);
    assert_eq!(
        shown(&found),
        ["/c is new in /l, which line 5 names", "/b is gone from /l, which line 5 names"],
        "a name that moves is served all the time"
    );
    assert!(!loaded(&found).contains(&certificates[2]), "it is not loaded yet");
}

#[test]
fn another_first_certificate_another_order_and_doubles_need_a_reload() {
    let certificates = ["/a", "/b", "/c"].map(|name| item(FileKind::Certificate, name, name));
    let old = [&[list("/l", "1", &["/a", "/b x", "/c"])], &certificates[..]].concat();
    for entries in [
        &["/b x", "/c"][..],
        &["/a", "/c", "/b x"],
        &["/a", "/b x", "/c", "/b y"],
        &["/a", "/b x", "/d"],
        &["/a", "/b y", "/c"],
    ] {
        let now = [&[list("/l", "2", entries)], &certificates[..]].concat();
        assert_eq!(shown(&compared(&old, &now)), ["/l, which line 5 names, has changed"], "{entries:?}");
    }
}

#[test]
fn what_a_list_named_is_remembered_while_the_list_cannot_be_read() {
    let certificates = ["/d/a", "/d/b"].map(|name| item(FileKind::Certificate, name, name));
    let gone = item(FileKind::Certificate, "/d", "");
    // A directory has no parts, and what is not there may be either.
    let mut directory = list("/d", "", &["/d/a", "/d/b"]);
    directory.parts.clear();
    let old = [&[directory], &certificates[..]].concat();
    let found = compared(&old, &[gone]);
    assert_eq!((found.bad.len(), shown(&found).len()), (1, 1));
    assert_eq!(loaded(&found), old);
    assert_eq!(compared(&loaded(&found), &old).changes, []);
    let renewed = [&old[..2], &[item(FileKind::Certificate, "/d/b", "2")]].concat();
    assert_eq!(shown(&compared(&loaded(&found), &renewed)), ["/d/b, which line 5 names, has changed"]);
    // A certificate that is a directory now.
    let file = item(FileKind::Certificate, "/d", "1");
    assert_eq!(shown(&compared(&[file], &old)), ["/d, which line 5 names, has changed"]);
}
