//! reload-haproxy has a short way for lines as they usually are: it finds the keyword without splitting the line, and
//! judges equal options once. A line with quotes around its words goes the long way, and means the same to HAProxy. So
//! for random pairs of files, both must lead to the same decision and the same commands.
//!
//! The other short way is that of a change of a few servers: it looks at these alone, in an excerpt of the files. If the
//! other servers are as the old file says, it must lead to the same commands, or not be taken.
//!
//! FUZZ_PAIRS is the number of pairs (1,000 by default), FUZZ_SEED the random seed.

mod support;

use std::collections::BTreeMap;

use reload_haproxy::offline::{Decision, decide, decide_by_excerpt};
use support::files::{Files, as_loaded, is_server};
use support::{Dice, setting};

type Decided = Decision<Vec<String>, String>;

const VERSIONS: [&str; 4] = ["2.4.0", "2.6.12", "3.0.11", "3.2.10"];
/// The rows of the servers whose lines are in both files are as the old file says; the others may have been changed by
/// hand.
fn mixed(old: &[String], new: &[String], right: &str, by_hand: &str) -> String {
    let [old, new] = [old, new].map(lines_of_servers);
    let is_in_both = |row: &str| {
        let key = key(row);
        old.get(&key) == new.get(&key)
    };
    let unchanged = right.lines().filter(|row| row.starts_with(['1', '#']) || is_in_both(row));
    let changed = by_hand.lines().skip(2).filter(|row| !is_in_both(row));
    let unchanged = unchanged.filter(|row| !row.is_empty());
    let rows: String = unchanged.chain(changed).map(|row| format!("{row}\n")).collect();
    // HAProxy lists one backend after the other.
    let mut rows: Vec<&str> = rows.lines().collect();
    rows[2..].sort_by_key(|row| row.split(' ').nth(1).unwrap_or_default().to_owned());
    rows.join("\n") + "\n\n"
}

/// The lines of each server, by its backend and its name.
fn lines_of_servers(file: &[String]) -> BTreeMap<[&str; 2], Vec<&str>> {
    let (mut lines, mut backend) = (BTreeMap::<_, Vec<&str>>::new(), "");
    for line in file {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("backend" | "listen"), name) => backend = name.unwrap_or_default(),
            (Some("server"), Some(name)) => lines.entry([backend, name]).or_default().push(line),
            _ => {}
        }
    }
    lines
}

/// The backend and the name of a row.
fn key(row: &str) -> [&str; 2] {
    let mut words = row.split(' ').skip(1);
    [words.next().unwrap_or_default(), words.nth(1).unwrap_or_default()]
}

/// The file as bytes; in some, a byte is not valid UTF-8.
fn plain(lines: &[String], end: &[u8]) -> Vec<u8> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    [text.as_bytes(), end].concat()
}

/// The same lines, with quotes around the first three words of a server's.
fn quoted(lines: &[String]) -> Vec<String> {
    let quote = |line: &String| {
        let mut words = line.trim_start().splitn(4, ' ');
        let first: Vec<String> = words.by_ref().take(3).map(|word| format!("\"{word}\"")).collect();
        format!("  {} {}", first.join(" "), words.next().unwrap_or_default())
    };
    lines.iter().map(|line| if is_server(line) { quote(line) } else { line.clone() }).collect()
}

/// A decision without the quotes of the lines that it names.
fn unquoted(decided: Decided) -> Decided {
    let without = |text: String| text.replace('"', "").replace("  ", " ").trim_end().to_owned();
    match decided {
        Decision::Reload(why) => Decision::Reload(without(why)),
        Decision::Servers(lines, why) => Decision::Servers(lines, without(why)),
        other => other,
    }
}

#[test]
fn the_short_way_and_the_long_way_lead_to_the_same_commands() {
    let seed = setting("FUZZ_SEED", 1);
    let mut dice = Dice(seed);
    let mut kinds = [0; 3];
    for pair in 0..setting("FUZZ_PAIRS", 1_000) {
        let old = dice.file();
        let new = dice.changed(&old);
        let (rows, version) = (dice.rows(&old), dice.of(&VERSIONS));
        let end = if dice.roll(4) == 0 { &b"# caf\xe9\n"[..] } else { b"" };
        let way = |old: &[String], new: &[String]| {
            unquoted(decide(&plain(old, end), &plain(new, end), &rows, version))
        };
        let short = way(&old, &new);
        let at = format!("pair {pair} of seed {seed}:\n{}\n{rows}", new.join("\n"));
        assert_eq!(short, way(&quoted(&old), &quoted(&new)), "{at}");
        // Quotes alone are no change, but an equal file needs no comparison.
        assert!(old == new || short == way(&old, &quoted(&new)), "{at}");
        match short {
            Decision::Nothing(_) => kinds[0] += 1,
            Decision::Servers(..) => kinds[1] += 1,
            _ => kinds[2] += 1,
        }
    }
    assert!(kinds.iter().all(|count| *count > 50), "too few of a kind: {kinds:?}");
}

#[test]
fn a_look_at_the_changed_servers_leads_to_the_same_commands_as_a_look_at_all() {
    let seed = setting("FUZZ_SEED", 1);
    let mut dice = Dice(seed);
    let (mut taken, mut left) = (0, 0);
    for pair in 0..setting("FUZZ_PAIRS", 1_000) {
        let old = if dice.roll(4) == 0 { dice.file() } else { dice.long_file() };
        let new = if dice.roll(3) == 0 { dice.changed(&old) } else { dice.few_changed(&old) };
        let version = dice.of(&VERSIONS);
        let [right, by_hand] = [as_loaded(&old), dice.rows(&old)];
        let rows = mixed(&old, &new, &right, &by_hand);
        let (before, after) = (plain(&old, b""), plain(&new, b""));
        // HAProxy rejects two servers of one name, or a weight of 300.
        let has_twins = lines_of_servers(&old).values().any(|lines| lines.len() > 1);
        if has_twins || !matches!(decide(&before, &before, &right, version), Decision::Nothing(_)) {
            continue;
        }
        let Some(few) = decide_by_excerpt(&before, &after, &rows, version) else {
            left += 1;
            continue;
        };
        let all = decide(&before, &after, &rows, version);
        let at = format!("pair {pair} of seed {seed}:\n{}\nto:\n{}\n{rows}", old.join("\n"), new.join("\n"));
        assert_eq!(few, all, "{at}");
        taken += 1;
    }
    println!("{taken} pairs the short way, {left} by all servers");
    assert!(taken > 100 && left > 50, "too few of a kind: {taken}, {left}");
}
