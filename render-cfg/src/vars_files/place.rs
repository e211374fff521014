//! Where a file has a setting, for an error about it. The file is read again, up to the key.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::formats::{Format, yaml_options};
use super::strict::Wrong;

/// Line and column of a key, both counted from 1. `path` has the keys that lead to it, the outermost first.
pub(super) fn of_path(format: Format, text: &str, path: &[&str]) -> Option<(usize, usize)> {
    match format {
        Format::Json => {
            let mut from = serde_json::Deserializer::from_str(text);
            let err = UpTo(path).deserialize(&mut from).err().filter(|err| is_here(&err.to_string()))?;
            let lines = text.split_inclusive('\n').take(err.line().checked_sub(1)?);
            let line: usize = lines.map(str::len).sum();
            // The reader stops behind the key, or behind blanks after it.
            let before = text.get(..line + err.column())?.trim_end().strip_suffix('"')?;
            Wrong::at(text, before.rfind('"')?, "").place
        }
        Format::Toml => {
            let from = toml::Deserializer::parse(text).ok()?;
            let err = UpTo(path).deserialize(from).err().filter(|err| is_here(err.message()))?;
            Wrong::at(text, err.span()?.start, "").place
        }
        Format::Yaml => {
            let places = Cell::new(None);
            let wanted = Yaml { path, place: &places };
            serde_saphyr::with_deserializer_from_str_with_options(text, yaml_options(), |from| {
                wanted.deserialize(from)
            })
            .ok()?;
            places.get()
        }
    }
}

/// Whether the reader stopped because it had found the key.
fn is_here(reason: &str) -> bool {
    reason.starts_with(HERE)
}

/// The reason for which `UpTo` stops at the key.
const HERE: &str = "here is the key";

/// Reads a table, and fails at the key of this path.
struct UpTo<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for UpTo<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for UpTo<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(()) };
        let wanted = Wanted { key: first, is_last: rest.is_empty() };
        while let Some(is_it) = from.next_key_seed(wanted)? {
            if is_it {
                from.next_value_seed(UpTo(rest))?;
            } else {
                from.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Whether a key is the wanted one. Fails at it if it is the last of the path.
#[derive(Clone, Copy)]
struct Wanted<'k> {
    key: &'k str,
    is_last: bool,
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Wanted<'_> {
    type Value = bool;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        if self.is_last && key == self.key { Err(E::custom(HERE)) } else { Ok(key == self.key) }
    }
}

/// Reads a table of YAML, whose keys know their places, and notes that of this path.
struct Yaml<'k> {
    path: &'k [&'k str],
    place: &'k Cell<Option<(usize, usize)>>,
}

impl<'de> DeserializeSeed<'de> for Yaml<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Yaml<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<(), A::Error> {
        while let Some(key) = from.next_key::<Spanned<String>>()? {
            match self.path.split_first() {
                Some((first, [])) if key.value == *first => {
                    self.place.set(Some((key.defined.line() as usize, key.defined.column() as usize)));
                    from.next_value::<IgnoredAny>()?;
                }
                Some((first, rest)) if key.value == *first => {
                    from.next_value_seed(Yaml { path: rest, place: self.place })?;
                }
                _ => {
                    from.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_where_the_file_has_it() {
        for (format, text, place) in [
            (Format::Json, "{\"a\": {\"wanted\": 1},\n  \"wanted\": 2}", (2, 3)),
            (Format::Json, "{\"wanted\":1}", (1, 2)),
            (Format::Json, "{\"\u{fc}\":1,\n \"a\" : 2, \"wanted\" : 1}", (2, 11)),
            (Format::Toml, "a = \"\"\"\nwanted = 1\n\"\"\"\nwanted = 2\n", (4, 1)),
            (Format::Toml, "[a]\nwanted = 1\n[wanted]\nb = 1\n", (3, 2)),
            (Format::Toml, "a.wanted = 1\nwanted.x = 1\n", (2, 1)),
            (Format::Toml, "a = 1\n\"wanted\" = 1\n", (2, 1)),
            (Format::Yaml, "a:\n  wanted: 1\n# wanted:\nwanted: 2\n", (4, 1)),
            (Format::Yaml, "a: |\n  wanted: 1\n'wanted': 2\n", (3, 1)),
            (Format::Yaml, "{a: 1, wanted: 2}\n", (1, 8)),
        ] {
            assert_eq!(of_path(format, text, &["wanted"]), Some(place), "{text}");
        }
        assert_eq!(of_path(Format::Json, "{\"a\":1}", &["wanted"]), None);
        assert_eq!(of_path(Format::Yaml, "a: 1\n", &["wanted"]), None);
        assert_eq!(of_path(Format::Toml, "a = 1\n", &["wanted"]), None);
    }

    #[test]
    fn a_key_of_an_inner_table_is_found_by_its_path() {
        let path = ["services", "shop", "wanted"];
        for (format, text, place) in [
            (
                Format::Json,
                "{\"shop\": {\"wanted\": 1}, \"services\": {\"wanted\": 1,\n\"shop\": {\"a\": 1,\n  \"wanted\": 1}}}",
                (3, 3),
            ),
            (Format::Toml, "[services.api]\nwanted = 1\n[services.shop]\na = 1\nwanted = 1\n", (5, 1)),
            (Format::Toml, "services.shop.a = 1\nservices.shop.wanted = 1\n", (2, 15)),
            (Format::Yaml, "services:\n  api:\n    wanted: 1\n  shop: {a: 1,\n    wanted: 1}\n", (5, 5)),
        ] {
            assert_eq!(of_path(format, text, &path), Some(place), "{text}");
            for other in [&["services", "shop", "other"][..], &["services", "shop", "a", "wanted"]] {
                assert_eq!(of_path(format, text, other), None, "{text}");
            }
        }
    }
}
