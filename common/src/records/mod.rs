//! Reading the nodes directory: all records that can be read, and an error for each of the others.
//!
//! A reader takes no lock: a record is replaced by a rename, so a reader sees the old or the new one.

mod error;
mod files;
mod known;
mod names;
mod stamp;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;

use crate::halves::in_halves_of;
use crate::node::Node;

pub use error::NodesError;
pub(crate) use error::io_error;
pub(crate) use files::RecordFiles;
pub use known::KnownRecords;
pub use names::is_record_name;
use names::record_names;

/// Reads all records of the directory at `path`, sorted by name: those that can be read, and an error for each of the
/// others.
///
/// Files that do not end in `.json` or begin with a dot are ignored. A record that is removed meanwhile is not an
/// error. Fails if the directory itself cannot be read.
pub fn read_all(path: &Path) -> Result<(Vec<Node>, Vec<NodesError>), NodesError> {
    let (mut nodes, faults) = read_with(path, |_| true, |nodes| nodes)?;
    nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok((nodes, faults))
}

/// The same for the files whose names `is_wanted` accepts, with the nodes converted by `make`. It is called in each
/// reading thread with that thread's nodes. The results are in the order of the files' names.
pub fn read_with<T: Send>(
    path: &Path,
    is_wanted: impl Fn(&OsStr) -> bool,
    make: impl Fn(Vec<Node>) -> Vec<T> + Sync,
) -> Result<(Vec<T>, Vec<NodesError>), NodesError> {
    let names = record_names(path, is_wanted)?;
    let directory = File::open(path).map_err(io_error("read", path))?;
    let files = RecordFiles { path, directory: &directory };
    let read = |names: &[OsString]| {
        let (nodes, faults) = files.read(names);
        (make(nodes), faults)
    };
    let ((mut made, mut faults), (more_made, more_faults)) = in_halves_of(&names, read);
    made.extend(more_made);
    faults.extend(more_faults);
    Ok((made, faults))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    use crate::halves::SPLIT_FROM;
    use crate::node::Tags;
    use crate::nodes_directory::NodesDir;

    fn node(name: &str, address: &str) -> Node {
        Node::new(name, address, Tags::new()).unwrap()
    }

    fn put(path: &Path, nodes: &[Node]) {
        let mut dir = NodesDir::lock(path, Duration::from_secs(10)).unwrap();
        for node in nodes {
            dir.put(node).unwrap();
        }
        assert!(dir.finish().is_empty());
    }

    #[test]
    fn a_record_that_cannot_be_read_does_not_hide_the_others() {
        let scratch = tempfile::tempdir().unwrap();
        put(scratch.path(), &[node("s1", "10.0.0.1"), node("s2", "10.0.0.2")]);
        fs::rename(scratch.path().join("s2.json"), scratch.path().join("s3.json")).unwrap();
        fs::create_dir(scratch.path().join("d.json")).unwrap();
        nix::unistd::mkfifo(&scratch.path().join("pipe.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        put(scratch.path(), &[node("s4", "10.0.0.4")]);
        fs::rename(scratch.path().join("s4.json"), scratch.path().join(".s4.json")).unwrap();
        let (nodes, faults) = read_all(scratch.path()).unwrap();
        assert_eq!(nodes, [node("s1", "10.0.0.1")]);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn a_large_directory_and_a_large_record_are_read_completely_and_in_order() {
        let scratch = tempfile::tempdir().unwrap();
        let mut nodes: Vec<Node> =
            (0..2 * SPLIT_FROM).map(|i| node(&format!("n{i:04}"), "10.0.0.1")).collect();
        let many: Tags = (0..200).map(|i| (format!("k{i}"), "v".repeat(512))).collect();
        nodes[SPLIT_FROM].tags = many.into();
        put(scratch.path(), &nodes);
        fs::rename(scratch.path().join("n0001.json"), scratch.path().join("other.json")).unwrap();
        let (read, faults) = read_all(scratch.path()).unwrap();
        nodes.remove(1);
        assert!(read == nodes);
        assert_eq!(faults.len(), 1);
    }
}
