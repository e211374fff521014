//! Puts the settings of one file upon those of another, as Helm does with its values: tables are merged, all else is
//! replaced.

use serde_json::map::Entry;
use serde_json::{Map, Value};

/// Puts `upper` upon `lower`. The depth is limited by that of a file.
pub(super) fn merge(lower: &mut Map<String, Value>, upper: Map<String, Value>) {
    for (key, value) in upper {
        match (lower.entry(key), value) {
            (Entry::Occupied(mut old), Value::Object(new)) if old.get().is_object() => {
                if let Value::Object(old) = old.get_mut() {
                    merge(old, new);
                }
            }
            (Entry::Occupied(mut old), new) => *old.get_mut() = new,
            (Entry::Vacant(place), new) => {
                place.insert(new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_are_merged_and_all_else_is_replaced() {
        let table = |value: Value| value.as_object().cloned().unwrap();
        let mut lower = table(json!({"a": {"x": 1, "y": {"p": 1}}, "l": [1, 2], "s": "old", "t": {"x": 1}}));
        merge(&mut lower, table(json!({"a": {"y": {"q": 2}, "z": 3}, "l": [3], "s": {"k": 1}, "t": 5})));
        let wanted = json!({"a": {"x": 1, "y": {"p": 1, "q": 2}, "z": 3}, "l": [3], "s": {"k": 1}, "t": 5});
        assert_eq!(Value::Object(lower), wanted);
    }
}
