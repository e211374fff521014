//! The JSON that `consul watch -type=service` sends to its handler.

use common::consul;
use serde_json::{Value, json};

use crate::membership_lists::Form;

const FORM: Form = Form {
    parse: consul::parse,
    entry: |node| {
        let (host, id) = node.name.split_once('-').filter(|(_, id)| !id.is_empty())?;
        // A name with a hash is made of a key that it does not show.
        if node.name.contains("--") {
            return None;
        }
        let place = json!({ "Node": host, "Address": "10.0.0.1" });
        let service = json!({
            "ID": id, "Service": "other", "Address": node.address.to_string(), "Port": 0, "Meta": node.tags
        });
        Some(json!({ "Node": place, "Service": service, "Checks": [{ "Status": "passing" }] }))
    },
    entries: Value::as_array_mut,
    list: Value::Array,
};

/// Checks the properties for a list of a service's instances.
pub(crate) fn holds(json: &[u8]) {
    FORM.holds(json);
}
