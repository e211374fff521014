//! The TAGS field of an event line.
//!
//! Serf does not escape `,` and `=` in it and writes the tags in random order, so it is ambiguous. Any order gives the same
//! result.

use crate::messages::excerpt;
use crate::node::{NodeError, Tags};

/// Parses `k=v,k=v`. A piece without `=` belongs to the value before it. If a key occurs twice, the smaller value is
/// taken. The role is known from its own field, so its tag is cut out first.
pub(super) fn parse_tags(role: &str, text: &str) -> Result<Tags, NodeError> {
    let mut tags = Tags::new();
    for part in without_role(role, text) {
        let mut last: Option<(String, String)> = None;
        for piece in part.split(',').filter(|_| !part.is_empty()) {
            match (piece.split_once('='), &mut last) {
                (Some((key, value)), _) => {
                    keep_smaller(&mut tags, last.replace((key.to_owned(), value.to_owned())));
                }
                (None, Some((_, value))) => {
                    value.push(',');
                    value.push_str(piece);
                }
                (None, None) => {
                    return Err(NodeError::TagKey(
                        excerpt(piece.as_bytes()).to_string(),
                        "has no '=' after it",
                    ));
                }
            }
        }
        keep_smaller(&mut tags, last);
    }
    if !role.is_empty() {
        tags.insert("role".to_owned(), role.to_owned());
    }
    Ok(tags)
}

/// The parts of a TAGS field before and after the tag `role`, whose value may contain commas.
fn without_role<'a>(role: &str, text: &'a str) -> [&'a str; 2] {
    if role.is_empty() {
        return [text, ""];
    }
    let tag = format!("role={role}");
    let ends = |end: usize| end == text.len() || text[end..].starts_with(',');
    let starts = |start: usize| start == 0 || text[..start].ends_with(',');
    let whole = text.match_indices(&tag).find(|(at, _)| starts(*at) && ends(at + tag.len()));
    match whole {
        Some((at, _)) => {
            let before = text[..at].strip_suffix(',').unwrap_or(&text[..at]);
            let after = &text[at + tag.len()..];
            [before, after.strip_prefix(',').unwrap_or(after)]
        }
        None => [text, ""],
    }
}

fn keep_smaller(tags: &mut Tags, tag: Option<(String, String)>) {
    if let Some((key, value)) = tag {
        let kept = tags.entry(key).or_insert_with(|| value.clone());
        if value < *kept {
            *kept = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_tags_are_read_the_same_way_in_any_order() {
        let tags = |text| parse_tags("web", text).unwrap();
        assert_eq!(tags("k=x,port=22,port=80,role=web"), tags("port=80,role=web,k=x,port=22"));
        assert_eq!(tags("role=web,k=a,b")["k"], "a,b");
        assert_eq!(tags("k=a=b,role=web")["k"], "a=b");
        assert_eq!(tags("k=,role=web")["k"], "");
    }

    #[test]
    fn an_empty_role_stays_a_tag_without_a_value() {
        assert_eq!(parse_tags("", "port=80,role=").unwrap()["role"], "");
    }
}
