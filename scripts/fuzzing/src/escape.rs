//! The escaping for haproxy.cfg: any value is one argument, unchanged, in any position.

use render_cfg::escape::{comment, escape};

use crate::word_splitting::words;

/// Checks the property for a value. Values are text, so bytes that are not UTF-8 are replaced first, as in a record.
pub(crate) fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut escaped = Vec::new();
    let done = escape(&text, &mut escaped);
    assert_eq!(done.is_ok(), !text.contains('\0'), "a NUL alone is refused");
    check_comment(&text);
    if done.is_err() {
        return;
    }
    assert!(escaped.iter().all(u8::is_ascii_graphic), "{escaped:?}");
    let value = text.as_bytes();
    for (frame, expected) in [
        ("_", vec![value]),
        ("\"_\"", vec![value]),
        ("server _ \"_\" b # _", vec![b"server", value, value, b"b"]),
    ] {
        let line = frame.as_bytes().split(|byte| *byte == b'_').collect::<Vec<_>>().join(&escaped[..]);
        let read = words(&line).unwrap_or_else(|| panic!("no line: {}", String::from_utf8_lossy(&line)));
        let expected: Vec<_> = expected.into_iter().map(|word| (word.to_vec(), false)).collect();
        assert_eq!(read, expected, "{}", String::from_utf8_lossy(&line));
    }
}

/// Checks that a value in a comment stays in the comment.
fn check_comment(text: &str) {
    let line = format!("# {}", comment(text));
    assert!(!line.chars().any(char::is_control), "{line:?}");
    assert_eq!(words(line.as_bytes()), Some(vec![]));
}
