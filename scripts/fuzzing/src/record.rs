//! The property of a node's record: valid bytes are written and read again as the same node, under its own name only,
//! and invalid bytes hide no other record.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use common::node::Node;
use common::records::{NodesError, read_all};
use tempfile::TempDir;

use crate::whitelist;

const GOOD: &[u8] = br#"{"address":"10.9.8.7","name":"good-one","role":"","tags":{}}"#;

thread_local! {
    static SCRATCH: TempDir = tempfile::tempdir().expect("a test has a place for files");
}

/// Checks the property for the bytes of a record.
pub(crate) fn holds(bytes: &[u8]) {
    let node = Node::unpack(bytes);
    match &node {
        Ok(node) => check(node),
        Err(error) => whitelist::check_error(error),
    }
    // Files cost a hundred times as much time as parsing, so only some of the invalid records are written to files.
    if node.is_ok() || bytes.len().is_multiple_of(16) {
        SCRATCH.with(|scratch| check_files(scratch.path(), bytes, node.ok()));
    }
}

fn check(node: &Node) {
    whitelist::check(node);
    let packed = node.pack();
    assert_eq!(packed.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    let again = Node::unpack(&packed);
    assert_eq!(again.as_ref(), Ok(node));
    assert_eq!(again.map(|node| node.pack()), Ok(packed), "one form");
}

/// Writes the bytes to a file under their node's name and to one under another name, beside a good record, and reads
/// all.
fn check_files(directory: &Path, bytes: &[u8], node: Option<Node>) {
    let mut files = vec![("other".to_owned(), bytes), ("good-one".to_owned(), GOOD)];
    let own = node.filter(|node| node.name != "good-one");
    files.extend(own.iter().map(|node| (node.name.clone(), bytes)));
    for (name, bytes) in &files {
        put(&directory.join(format!("{name}.json")), bytes);
    }
    let (nodes, faults) = read_all(directory).expect("the directory can be read");
    for (name, _) in &files {
        // If two files have the same name, the file is gone already.
        let _ = fs::remove_file(directory.join(format!("{name}.json")));
    }
    assert!(nodes.iter().any(|node| node.name == "good-one"), "a bad record hides no other");
    let read = nodes.into_iter().find(|node| node.name != "good-one");
    assert_eq!(read, own, "a record is read under its own name only");
    let is_other = own.is_some_and(|node| node.name == "other");
    assert_eq!(faults.len(), usize::from(!is_other), "{faults:?}");
    faults.iter().for_each(check_fault);
}

fn check_fault(fault: &NodesError) {
    let (NodesError::Record { path, .. } | NodesError::Misnamed { path, .. }) = fault else {
        panic!("{fault}");
    };
    assert_eq!(path.file_name(), Some(OsStr::new("other.json")), "the fault names its file");
}

#[allow(clippy::disallowed_methods, reason = "nothing else reads it")]
fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file can be written");
}
