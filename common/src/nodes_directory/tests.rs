//! Batches, and what they leave on disk.

use super::*;
use crate::node::Tags;
use crate::records::read_all;
use crate::replace::replace;

fn node(name: &str, address: &str) -> Node {
    Node::new(name, address, Tags::new()).unwrap()
}

fn locked(path: &Path) -> NodesDir {
    NodesDir::lock(path, Duration::from_secs(10)).unwrap()
}

fn put(path: &Path, nodes: &[Node]) -> Vec<Change> {
    let mut dir = locked(path);
    let changes = nodes.iter().map(|node| dir.put(node).unwrap()).collect();
    assert!(dir.finish().is_empty());
    changes
}

#[test]
fn records_are_read_except_those_of_given_names() {
    let scratch = tempfile::tempdir().unwrap();
    put(scratch.path(), &["s1", "s2", "s3"].map(|name| node(name, "10.0.0.1")));
    replace(&scratch.path().join("s1.json"), b"{", 0o640).unwrap();
    let dir = locked(scratch.path());
    assert_eq!(dir.read_except(&HashSet::from(["s1", "s3"])).unwrap().0, [node("s2", "10.0.0.1")]);
    assert_eq!(dir.read_except(&HashSet::from(["s3"])).unwrap().1.len(), 1);
}

#[test]
fn records_are_read_back_sorted_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a/nodes");
    let nodes = [node("s.1", "10.0.0.2"), node("s-1", "10.0.0.1"), node("s", "10.0.0.3")];
    assert_eq!(put(&path, &nodes), [Change::Added; 3]);
    let (read, faults) = read_all(&path).unwrap();
    assert_eq!(read.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["s", "s-1", "s.1"]);
    assert!(faults.is_empty());
}

#[test]
fn an_equal_record_is_not_written_again() {
    let scratch = tempfile::tempdir().unwrap();
    put(scratch.path(), &[node("s1", "10.0.0.1")]);
    let inode = || fs::metadata(scratch.path().join("s1.json")).unwrap().ino();
    let before = inode();
    assert_eq!(put(scratch.path(), &[node("s1", "10.0.0.1")]), [Change::Unchanged]);
    assert_eq!(inode(), before);
    assert_eq!(put(scratch.path(), &[node("s1", "10.0.0.2")]), [Change::Updated]);
}

#[test]
fn removing_an_absent_record_succeeds() {
    let scratch = tempfile::tempdir().unwrap();
    put(scratch.path(), &[node("s1", "10.0.0.1")]);
    let mut dir = locked(scratch.path());
    assert!(dir.remove("s1").unwrap());
    assert!(!dir.remove("s1").unwrap());
    assert!(dir.finish().is_empty());
    assert!(read_all(scratch.path()).unwrap().0.is_empty());
}

#[test]
fn the_last_of_several_changes_to_one_record_counts() {
    let scratch = tempfile::tempdir().unwrap();
    put(scratch.path(), &[node("s1", "10.0.0.1")]);
    put(scratch.path(), &[node("s1", "10.0.0.9"), node("s2", "10.0.0.2"), node("s1", "10.0.0.1")]);
    let mut dir = locked(scratch.path());
    dir.put(&node("s2", "10.0.0.3")).unwrap();
    assert!(dir.remove("s2").unwrap());
    assert!(dir.finish().is_empty());
    assert_eq!(read_all(scratch.path()).unwrap().0, [node("s1", "10.0.0.1")]);
}

#[test]
fn a_pipe_in_place_of_a_record_does_not_block_the_writer() {
    let scratch = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&scratch.path().join("s1.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(put(scratch.path(), &[node("s1", "10.0.0.1")]), [Change::Updated]);
    assert_eq!(read_all(scratch.path()).unwrap().0.len(), 1);
}

#[test]
fn a_batch_that_is_not_finished_changes_no_record() {
    let scratch = tempfile::tempdir().unwrap();
    let mut dir = locked(scratch.path());
    dir.put(&node("s1", "10.0.0.1")).unwrap();
    drop(dir);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_replaced_during_the_wait_is_noticed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("nodes");
    let old = locked(&path);
    let waiter = std::thread::spawn({
        let path = path.clone();
        move || put(&path, &[node("s1", "10.0.0.1")])
    });
    fs::rename(&path, scratch.path().join("old")).unwrap();
    fs::create_dir(&path).unwrap();
    drop(old);
    waiter.join().unwrap();
    assert_eq!(read_all(&path).unwrap().0.len(), 1);
}

#[test]
fn what_is_in_the_way_of_the_directory_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let (file, link) = (scratch.path().join("file"), scratch.path().join("link"));
    replace(&file, b"", 0o600).unwrap();
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let nowhere = "a link to a directory that does not exist; see --nodes";
    for (path, reason) in [
        (file.clone(), "it is not a directory; see --nodes".to_owned()),
        (file.join("nodes"), format!("'{}' is not a directory; see --nodes", file.display())),
        (link.clone(), format!("it is {nowhere}")),
        (link.join("a/nodes"), format!("'{}' is {nowhere}", link.display())),
    ] {
        let err = NodesDir::lock(&path, Duration::ZERO).unwrap_err().to_string();
        assert_eq!(err, format!("cannot make '{}': {reason}", path.display()));
        assert!(path == file || is_missing(&path).is_err());
    }
    assert!(is_missing(&scratch.path().join("none/nodes")).unwrap());
}
