//! The answer to `dump stats-file`, made fit for the new worker.
//!
//! It has a part for frontends and one for backends. Each begins with the names of its columns, and has a row for
//! each object with a `guid`. HAProxy loads half a row or half a number without a word, so the answer is used only if
//! it is whole.

use super::guids::{Guids, Side};

/// The first line of the file, and all of it between reloads. HAProxy skips a part that it does not know; 3.0 has no
/// comments in this file, and all versions warn if it is missing.
pub(crate) const HEAD: &str =
    "#reload-haproxy wrote this file for the moment of a reload; at other times it holds no counters,\n";

/// The content of the file during a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dump {
    pub(crate) text: String,
    /// How many rows it has: an object that is both frontend and backend has two.
    pub(crate) objects: usize,
}

/// Reads the answer, and leaves out what does not fit `guids`. `None` if it is not a whole dump.
pub(crate) fn read(answer: &str, guids: &Guids) -> Option<Dump> {
    let mut dump = Dump { text: HEAD.to_owned(), objects: 0 };
    // The part that is read, and how many columns it has.
    let mut part: Option<(Side, usize)> = None;
    for line in answer.lines().filter(|line| !line.is_empty()) {
        let (guid, _) = line.strip_suffix(',')?.split_once(',')?;
        let columns = line.matches(',').count();
        match (guid, part) {
            ("#fe guid", None) => part = Some((Side::Front, columns)),
            ("#be guid", Some((Side::Front, _))) => part = Some((Side::Back, columns)),
            (_, Some((side, wanted))) if columns == wanted && !guid.starts_with('#') => {
                if !guids.fit(side, guid) {
                    continue;
                }
                dump.objects += 1;
            }
            _ => return None,
        }
        dump.text.push_str(line);
        dump.text.push('\n');
    }
    // Each part ends with an empty line.
    let is_whole = matches!(part, Some((Side::Back, _))) && answer.ends_with("\n\n");
    is_whole.then_some(dump)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from real HAProxys.
    const ANSWERS: [&str; 3] = [
        include_str!("../../../tests/fixtures/stats-file-3.0.11.txt"),
        include_str!("../../../tests/fixtures/stats-file-3.2.26.txt"),
        include_str!("../../../tests/fixtures/stats-file-3.4.7.txt"),
    ];

    #[test]
    fn a_dump_is_kept_as_it_is_after_the_head() {
        for answer in ANSWERS {
            let Dump { text, objects } = read(answer, &Guids::default()).unwrap();
            let rows: Vec<&str> = text.strip_prefix(HEAD).unwrap().lines().collect();
            assert_eq!(objects, 5);
            assert_eq!(rows, answer.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_now_an_object_of_another_kind_is_left_out() {
        let guids = Guids::read("  server s 10.0.0.1:80 guid fe-web\n  bind :80 guid-prefix nodes:s1\n");
        for answer in ANSWERS {
            let answer = answer.replace("nodes:s1,", "nodes:s1-0,");
            let Dump { text, objects } = read(&answer, &guids).unwrap();
            assert!(objects == 3 && !text.contains("fe-web") && !text.contains("s1"), "{text}");
        }
    }

    #[test]
    fn half_a_dump_and_another_answer_are_refused() {
        for answer in ANSWERS {
            for length in 0..answer.trim_end().len() {
                assert_eq!(read(&answer[..length], &Guids::default()), None, "{}", &answer[..length]);
            }
        }
        for answer in
            ["Unknown command: 'dump stats-file'\n", "Permission denied\n", "", "#be guid,stot,\n\n"]
        {
            assert_eq!(read(answer, &Guids::default()), None, "{answer}");
        }
    }
}
