//! The JSON of `serf members -format=json`.

use std::net::SocketAddr;

use common::serf_list;
use serde_json::json;

use crate::membership_lists::Form;

const FORM: Form = Form {
    parse: serf_list::parse,
    entry: |node| {
        let addr = SocketAddr::new(node.address, 7946).to_string();
        Some(json!({ "name": node.name, "addr": addr, "tags": node.tags, "status": "alive" }))
    },
    entries: |list| list.get_mut("members")?.as_array_mut(),
    list: |entries| json!({ "members": entries }),
};

/// Checks the properties for a list of members.
pub(crate) fn holds(json: &[u8]) {
    FORM.holds(json);
}
