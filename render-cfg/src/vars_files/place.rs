//! Where a file has a setting, for an error about it. The file is read again, up to the key.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::formats::{Format, yaml_options};
use super::strict::Wrong;

/// Line and column of an outermost key, both counted from 1.
pub(super) fn of_key(format: Format, text: &str, key: &str) -> Option<(usize, usize)> {
    match format {
        Format::Json => {
            let err = UpTo(key).deserialize(&mut serde_json::Deserializer::from_str(text)).err()?;
            let lines = text.split_inclusive('\n').take(err.line().checked_sub(1)?);
            let line: usize = lines.map(str::len).sum();
            // The reader stops behind the key, or behind blanks after it.
            let before = text.get(..line + err.column())?.trim_end().strip_suffix('"')?;
            Wrong::at(text, before.rfind('"')?, "").place
        }
        Format::Toml => {
            let err = UpTo(key).deserialize(toml::Deserializer::parse(text).ok()?).err()?;
            Wrong::at(text, err.span()?.start, "").place
        }
        Format::Yaml => {
            let Keys(keys) = serde_saphyr::from_str_with_options(text, yaml_options()).ok()?;
            let at = keys.iter().find(|found| found.value == key)?.defined;
            Some((at.line() as usize, at.column() as usize))
        }
    }
}

/// Reads a table, and fails at this key.
struct UpTo<'k>(&'k str);

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
        while from.next_key_seed(Unlike(self.0))?.is_some() {
            from.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Any key but this one.
struct Unlike<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Unlike<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Unlike<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        if key == self.0 { Err(E::custom("here")) } else { Ok(()) }
    }
}

/// The keys of a table, with their places.
struct Keys(Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Keys, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Keys;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = from.next_key()? {
                    keys.push(key);
                    from.next_value::<IgnoredAny>()?;
                }
                Ok(Keys(keys))
            }
        }
        from.deserialize_map(All)
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
            assert_eq!(of_key(format, text, "wanted"), Some(place), "{text}");
        }
        assert_eq!(of_key(Format::Json, "{\"a\":1}", "wanted"), None);
        assert_eq!(of_key(Format::Yaml, "a: 1\n", "wanted"), None);
        assert_eq!(of_key(Format::Toml, "a = 1\n", "wanted"), None);
    }
}
