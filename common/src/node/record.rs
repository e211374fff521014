//! The bytes of a node record: one JSON object on one line.
//!
//! They are a pure function of the node, so that equal nodes have equal files.

use std::borrow::Cow;

use serde::Deserialize;

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
        let record: Record<'_> =
            serde_json::from_slice(bytes).map_err(|err| NodeError::Json(err.to_string()))?;
        let node = Node::new(&record.name, &record.address, record.tags)?;
        if node.role != record.role {
            return Err(NodeError::Role);
        }
        Ok(node)
    }
}

/// The content of a record file, unchecked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'a> {
    #[serde(borrow)]
    address: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    role: Cow<'a, str>,
    tags: Tags,
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
