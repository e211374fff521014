//! Serf's event payload: one outcome for each line, and no line that affects another.

use common::event::{EventError, names, nodes};
use common::node::Node;

use crate::whitelist;

const GOOD: &[u8] = b"good-one\t10.9.8.7\tbackend\tport=80,role=backend\n";

/// Checks the properties for a payload.
pub(crate) fn holds(payload: &[u8]) {
    let outcomes: Vec<_> = nodes(payload).collect();
    let ends = payload.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let starts: Vec<usize> = [0].into_iter().chain(ends).collect();
    assert_eq!(outcomes.len(), starts.len() - 1, "an outcome for every line");
    outcomes.iter().for_each(check);
    check_names(payload, &outcomes);
    for line in [0, outcomes.len() / 2, outcomes.len()] {
        let (before, after) = payload.split_at(starts[line]);
        let with: Vec<_> = nodes(&[before, GOOD, after].concat()).map(Result::ok).collect();
        assert!(with[line].as_ref().is_some_and(|node| node.name == "good-one"), "a good line is read");
        let others =
            with.iter().enumerate().filter(|(index, _)| *index != line).map(|(_, node)| node.as_ref());
        assert!(others.eq(outcomes.iter().map(|outcome| outcome.as_ref().ok())), "and changes no other");
    }
}

fn check(outcome: &Result<Node, EventError>) {
    match outcome {
        Ok(node) => whitelist::check(node),
        Err(error) => whitelist::check_error(error),
    }
}

/// Checks that a member that can join can also leave: its name is read from the same line.
fn check_names(payload: &[u8], outcomes: &[Result<Node, EventError>]) {
    let names: Vec<_> = names(payload).collect();
    assert_eq!(names.len(), outcomes.len());
    for (name, outcome) in names.iter().zip(outcomes) {
        match (name, outcome) {
            (Ok(name), Ok(node)) => assert_eq!(*name, node.name),
            (Err(error), Ok(node)) => panic!("{node} came and cannot leave: {error}"),
            (Err(error), Err(_)) => whitelist::check_error(error),
            (Ok(_), Err(_)) => {}
        }
    }
}
