//! Files of settings (`render-cfg --vars`): what one format reads, the others read alike, and a fault has a place.

use render_cfg::vars_files::{parse, place};
use serde_json::{Map, Value};

/// Checks the properties for a file. Its first line is the ending: `json`, `toml` or `yaml`.
pub(crate) fn holds(bytes: &[u8]) {
    // A file that is not UTF-8 is refused before it is parsed.
    let Ok(whole) = std::str::from_utf8(bytes) else { return };
    let Some((ending, text)) = whole.split_once('\n') else { return };
    // For YAML a carriage return alone ends a line, too.
    let lines = text.matches(['\n', '\r']).count() + 1;
    match parse(ending, text) {
        Ok(table) => {
            for key in table.keys() {
                let at = place(ending, text, key);
                let (line, column) = at.unwrap_or_else(|| panic!("the key {key:?} has no place"));
                assert!((1..=lines).contains(&line) && column > 0, "{line}:{column}");
            }
            read_alike(&table);
        }
        Err((Some((line, column)), reason)) => {
            assert!(line > 0 && column > 0 && !reason.is_empty(), "{line}:{column}: {reason}");
        }
        Err((None, _)) => assert!(!["json", "toml", "yaml", "yml"].contains(&ending), "a fault has no place"),
    }
    if ending == "json" {
        compare_with_plain_json(text);
    }
}

/// Writes the settings as JSON, which is YAML, too, if its text is ASCII.
fn read_alike(table: &Map<String, Value>) {
    let json = serde_json::to_string(table).expect("a table of texts can be written");
    let escape = |c: char| match u32::from(c) {
        code @ ..0x7f => char::from_u32(code).into_iter().collect(),
        code @ ..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    let yaml: String = json.chars().map(escape).collect();
    for (ending, text) in [("json", &json), ("yaml", &yaml)] {
        // A key of YAML has at most 1,024 characters.
        if ending == "yaml" && text.len() > 1024 {
            continue;
        }
        let read = parse(ending, text).unwrap_or_else(|wrong| panic!("{ending} of {text}: {wrong:?}"));
        assert_eq!(&read, table, "{ending} of {text}");
    }
}

/// A plain reader of JSON accepts whatever ours accepts, and reads the same.
fn compare_with_plain_json(text: &str) {
    let plain: Option<Map<String, Value>> = serde_json::from_str(text).ok();
    if let Ok(table) = parse("json", text) {
        assert_eq!(Some(table), plain);
    }
}
