//! The JSON list of any other program: docs/members.md.

use common::plain_list;
use serde_json::{Value, json};

use crate::membership_lists::Form;

const FORM: Form = Form {
    parse: plain_list::parse,
    entry: |node| {
        // A name with a hash is made of one that it does not show.
        let is_kept = !node.name.contains("--");
        let tags = &node.tags;
        is_kept.then(|| json!({ "name": node.name, "address": node.address.to_string(), "tags": tags }))
    },
    entries: Value::as_array_mut,
    list: Value::Array,
};

/// Checks the properties for such a list.
pub(crate) fn holds(json: &[u8]) {
    FORM.holds(json);
}
