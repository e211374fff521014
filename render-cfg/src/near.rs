//! Finds the known name that a misspelt one probably stands for.

use strsim::levenshtein;

/// The known name that differs least, if it differs by at most a third of its letters.
pub(crate) fn near<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let name: String = plain(name).chars().take(100).collect();
    let distances = known.map(|known| (levenshtein(&name, &plain(known)), known));
    distances.min().filter(|(far, known)| *far <= known.len().div_ceil(3)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_has_a_near_name_and_another_word_has_none() {
        let known = ["balance", "bind", "check_path", "maxconn"];
        for (name, wanted) in [
            ("blance", Some("balance")),
            ("Bind", Some("bind")),
            ("check-path", Some("check_path")),
            ("max_conn", Some("maxconn")),
            ("services", None),
            ("", None),
        ] {
            assert_eq!(near(name, known.into_iter()), wanted, "{name}");
        }
    }
}
