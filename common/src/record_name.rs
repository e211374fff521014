//! The name under which a member is recorded whose source accepts any text for a name.
//!
//! Consul's key is a node's name and a service id, and both may be any text: Registrator's ids are
//! `HOST:CONTAINER:PORT`. The record's name depends only on the key, so it is the same in every run.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::node::{NAME_MAX, check_name, is_token_byte};

/// Precedes the hash. A name without a hash does not contain it, so one service cannot take the name of another.
const MARK: &str = "--";
/// 80 bits. An attacker needs 2^80 tries to find a key with a given name.
const HASH_BYTES: usize = 10;

/// The record's name for the service `id` of `node`: `NODE-ID` if that is legal and belongs to no other key; otherwise
/// a readable part of it with a hash of the whole key.
///
/// Two keys never have the same name:
/// - In a name without a hash, the node has no `-`, so the first `-` shows where the id begins.
/// - A name without a hash does not contain `--`; a name with a hash does.
/// - A name with a hash ends in the hash. Two keys are never hashed from the same bytes.
pub(crate) fn record_name(node: &str, id: &str) -> String {
    let plain = format!("{node}-{id}");
    let is_unambiguous = !node.contains('-') && !id.is_empty() && !plain.contains(MARK);
    if is_unambiguous && check_name(&plain).is_ok() {
        return plain;
    }
    format!("{}{MARK}{}", readable(&plain), hash(node, id))
}

/// The record's name for a member that has this name alone: the name if it is legal and without `--`; otherwise a readable
/// part of it with a hash of the whole. Two names never become one.
pub(crate) fn of_name(name: &str) -> String {
    if check_name(name).is_ok() && !name.contains(MARK) {
        return name.to_owned();
    }
    format!("{}{MARK}{}", readable(name), hash("", name))
}

/// The beginning of `plain` as a legal name: `_` in place of every other character.
fn readable(plain: &str) -> String {
    let legal = |c: char| u8::try_from(c).ok().filter(|&b| is_token_byte(b)).map_or('_', char::from);
    let characters = plain.chars().map(legal).skip_while(|c| !c.is_ascii_alphanumeric());
    let name: String = characters.take(NAME_MAX - MARK.len() - 2 * HASH_BYTES).collect();
    if name.is_empty() { "instance".to_owned() } else { name }
}

fn hash(node: &str, id: &str) -> String {
    // The length shows where the node's name ends. Without it, `ab`+`c` and `a`+`bc` would be the same bytes.
    let mut hasher = Sha256::new_with_prefix((node.len() as u64).to_le_bytes());
    hasher.update(node);
    hasher.update(id);
    hasher.finalize().iter().take(HASH_BYTES).fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_legal_name_that_only_this_key_has_is_kept_as_it_is() {
        assert_eq!(record_name("foobar", "redis"), "foobar-redis");
        assert_eq!(record_name("foobaz.lan", "redis-2"), "foobaz.lan-redis-2");
    }

    #[test]
    fn ids_of_registrator_and_nomad_stay_readable() {
        for (node, id, readable) in [
            ("docker1", "docker1:shop_web_1:5000", "docker1-docker1_shop_web_1_5000--"),
            ("docker1", "docker1:dns_1:53:udp", "docker1-docker1_dns_1_53_udp--"),
            ("ip-10-0-0-7", "web", "ip-10-0-0-7-web--"),
            ("n1", "_nomad-task-0a1b/group web app/http", "n1-_nomad-task-0a1b_group_web_app_http--"),
            ("_n", "ü\0\n", "n-___--"),
            ("", "", "instance--"),
            ("n1", "", "n1---"),
        ] {
            let name = record_name(node, id);
            assert!(name.starts_with(readable) && check_name(&name).is_ok(), "{name}");
            assert_eq!(name.len(), readable.len() + 20, "{name}");
        }
    }

    /// A changed name would be another server to HAProxy.
    #[test]
    fn names_are_the_same_in_every_version() {
        assert_eq!(
            record_name("docker1", "docker1:shop_web_1:5000"),
            "docker1-docker1_shop_web_1_5000--2a7d1a8166a8cb248d70"
        );
        assert_eq!(record_name("web-1", "api"), "web-1-api--2733869dc84118549fc4");
    }

    #[test]
    fn a_name_alone_is_kept_if_it_is_legal_and_not_like_one_with_a_hash() {
        assert_eq!(of_name("web-1.lan"), "web-1.lan");
        let made = of_name("web:1");
        assert!(made.starts_with("web_1--") && check_name(&made).is_ok(), "{made}");
        assert_ne!(of_name(&made), made, "nobody can take it");
        assert_ne!(of_name("web:1"), of_name("web_1"));
    }

    #[test]
    fn no_id_takes_the_name_of_another_instance() {
        assert_ne!(record_name("web", "1-api"), record_name("web-1", "api"));
        let victim = record_name("web-1", "api");
        let id = victim.strip_prefix("web-").unwrap();
        assert_ne!(record_name("web", id), victim);
        assert_ne!(record_name("web-1", &victim["web-1-".len()..]), victim);
        assert_ne!(record_name("ab", "c"), record_name("a", "bc"));
        let long = "x".repeat(5000);
        assert_ne!(record_name("n1", &format!("{long}1")), record_name("n1", &format!("{long}2")));
        assert_eq!(record_name("n1", &long).len(), 128);
    }

    /// Short texts of few characters, so that many keys nearly collide.
    #[test]
    fn different_keys_have_different_legal_names() {
        const CHARACTERS: [&str; 8] = ["-", "--", "a", "1", "_", ":", ".", "ü"];
        let mut seed = 0x1405_7b7e_f767_814f_u64;
        let mut next = |below: u64| {
            // Knuth's MMIX generator: the same keys in every run.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut text = || (0..next(6)).map(|_| CHARACTERS[next(8) as usize]).collect::<String>();
        let mut keys = HashMap::new();
        for _ in 0..100_000 {
            let key = (text(), text());
            let name = record_name(&key.0, &key.1);
            check_name(&name).unwrap_or_else(|err| panic!("{key:?}: {err}"));
            let other = keys.entry(name).or_insert_with(|| key.clone());
            assert_eq!(*other, key);
        }
        assert!(keys.len() > 10_000, "{}", keys.len());
    }
}
