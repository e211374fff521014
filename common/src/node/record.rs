//! The bytes of a node record: one JSON object on one line.
//!
//! They are a pure function of the node, so that equal nodes have equal files.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Node, NodeError, Tags};

impl Node {
    /// The record's bytes: one JSON object, keys sorted, one newline at the end.
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("strings and maps with string keys are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Parses the bytes of a record. Everything is checked again, because a record may be hand-written.
    pub fn unpack(bytes: &[u8]) -> Result<Node, NodeError> {
        Unpacker::default().unpack(bytes)
    }
}

/// Unpacks records one after the other. Nearly always the servers of a pool have the same tags: those that are written like
/// the ones before are not parsed again, and are shared.
#[derive(Debug, Default)]
pub(crate) struct Unpacker {
    /// The last tags, as they were written.
    text: String,
    tags: Arc<Tags>,
}

impl Unpacker {
    /// The same as `Node::unpack`.
    pub(crate) fn unpack(&mut self, bytes: &[u8]) -> Result<Node, NodeError> {
        let record: Record<'_, &RawValue> = parse(bytes)?;
        let node = if record.tags.get() == self.text {
            Node::with_checked_tags(&record.name, &record.address, Arc::clone(&self.tags))?
        } else {
            // From the whole record, so that an error says where it is in that.
            Node::new(&record.name, &record.address, parse::<Record<'_, Tags>>(bytes)?.tags)?
        };
        if !Arc::ptr_eq(&node.tags, &self.tags) {
            (self.text, self.tags) = (record.tags.get().to_owned(), Arc::clone(&node.tags));
        }
        if node.role != record.role {
            return Err(NodeError::Role);
        }
        Ok(node)
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, NodeError> {
    serde_json::from_slice(bytes).map_err(|err| NodeError::Json(err.to_string()))
}

/// The content of a record file, unchecked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'a, T> {
    #[serde(borrow)]
    address: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    role: Cow<'a, str>,
    tags: T,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn a_record_has_sorted_keys_and_one_newline() {
        let node = Node::new("s1", "172.18.0.3", tags(&[("role", "backend"), ("port", "3000")])).unwrap();
        assert_eq!(
            String::from_utf8(node.pack()).unwrap(),
            "{\"address\":\"172.18.0.3\",\"name\":\"s1\",\"role\":\"backend\",\
             \"tags\":{\"port\":\"3000\",\"role\":\"backend\"}}\n"
        );
    }

    #[test]
    fn a_packed_node_unpacks_to_the_same_node() {
        let node = Node::new("w6", "fd00::11", tags(&[("k", "a=b,\"c\" ☃"), ("role", "web")])).unwrap();
        assert_eq!(Node::unpack(&node.pack()), Ok(node));
    }

    #[test]
    fn records_that_are_unpacked_together_are_the_same_as_alone() {
        let record = |name: &str, tags: &str| {
            format!(r#"{{"address":"10.0.0.1","name":"{name}","role":"x","tags":{tags}}}"#)
        };
        let (usual, other) = (r#"{"role":"x","v":"1"}"#, r#"{"role":"x"}"#);
        let texts = [
            record("s1", usual),
            record("s2", usual),
            record("../s3", usual),
            record("s4", usual).replacen("x", "y", 1),
            record("s5", r#"{"role":"x","v w":"1"}"#),
            record("s6", r#"{"role":"x","v":1}"#),
            record("s7", usual),
            record("s8", other),
            record("s9", usual) + "x",
            record("s10", other),
        ];
        let mut unpacker = Unpacker::default();
        let together: Vec<_> = texts.iter().map(|text| unpacker.unpack(text.as_bytes())).collect();
        let alone: Vec<_> = texts.iter().map(|text| Node::unpack(text.as_bytes())).collect();
        assert_eq!(together, alone);
        let is_good = |result: &Result<Node, NodeError>| result.is_ok();
        assert_eq!(
            alone.iter().map(is_good).collect::<Vec<_>>(),
            [1, 1, 0, 0, 0, 0, 1, 1, 0, 1].map(|good| good == 1)
        );
        let tags = |place: usize| together[place].as_ref().unwrap().tags.clone();
        assert!(Arc::ptr_eq(&tags(0), &tags(1)) && Arc::ptr_eq(&tags(7), &tags(9)));
    }

    #[test]
    fn a_record_that_contradicts_itself_is_rejected() {
        let unpack = |text: &str| Node::unpack(text.as_bytes());
        let role = r#"{"address":"10.0.0.1","name":"s1","role":"x","tags":{}}"#;
        assert_eq!(unpack(role), Err(NodeError::Role));
        let extra = r#"{"address":"10.0.0.1","name":"s1","role":"","tags":{},"port":1}"#;
        assert!(matches!(unpack(extra), Err(NodeError::Json(_))));
        let name = r#"{"address":"10.0.0.1","name":"../s1","role":"","tags":{}}"#;
        assert!(matches!(unpack(name), Err(NodeError::Name(_))));
    }
}
