//! The numbers by which HAProxy's `show stat` finds a server: a server's name finds it only among all others.
//!
//! They are remembered after all servers were read, and those of servers that are added or deleted later are appended.
//! Whoever asks by such numbers checks the name in the answer, so a wrong one costs time only.

use memchr::{memchr_iter, memmem};

use crate::haproxy::instance::Worker;
use crate::state::note::Note;

/// The number of a backend, and that of a server in it.
pub(crate) type StatId = [u32; 2];

/// Begins the file. Another layout needs another number.
const FORMAT: &str = "rollcall ids 1";
/// The first line is shorter.
pub(crate) const HEAD_MAX: usize = 128;
/// So many bytes may be appended before all is written again, or as many as there were.
const APPENDED_MIN: u64 = 64 << 10;

/// The numbers of a worker's servers: a line for the worker, and one for each server, `BACKEND/SERVER 3 17 +`. A later
/// line about a server replaces an earlier one, and ends with `-` if the server was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerIds(Vec<u8>);

impl ServerIds {
    /// Of these servers, each with its name at the socket and its numbers as HAProxy wrote them.
    pub(crate) fn of<'r>(
        worker: &Worker,
        servers: impl Iterator<Item = (String, [&'r str; 2])>,
    ) -> ServerIds {
        let lines: String =
            servers.map(|(key, [backend, server])| line(&key, backend, server, true)).collect();
        let note = Note::default().of(worker);
        ServerIds(format!("{FORMAT} {} {} {}\n{lines}", note.pid, note.birth, lines.len()).into_bytes())
    }

    /// Reads the bytes of a file; `None` if it is not about this worker.
    pub(crate) fn parse(bytes: Vec<u8>, worker: &Worker) -> Option<ServerIds> {
        is_about(&bytes, worker).then_some(ServerIds(bytes))
    }

    /// The bytes of their file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The numbers of a server.
    pub(crate) fn get(&self, key: &str) -> Option<StatId> {
        let beginning = format!("\n{key} ");
        let at = memmem::rfind(&self.0, beginning.as_bytes())? + 1;
        let end = memchr::memchr(b'\n', &self.0[at..])? + at;
        let line = std::str::from_utf8(&self.0[at..end]).ok()?;
        let entry = Entry::parse(line).filter(|_| line.split(' ').count() == 4)?;
        entry.is_there.then_some(entry.id)
    }

    /// The number that HAProxy gives to the next server of a backend, after it has given those in `given`: the lowest free
    /// one. `None` if the backend had no server.
    pub(crate) fn next(&self, backend: &str, given: &[StatId]) -> Option<StatId> {
        let mut number = None;
        let mut is_taken = vec![true];
        let mut set = |id: u32, value: bool| {
            let place = id as usize;
            if place >= is_taken.len() {
                is_taken.resize(place.min(1 << 20) + 1, false);
            }
            is_taken.get_mut(place).into_iter().for_each(|taken| *taken = value);
        };
        let text = std::str::from_utf8(&self.0).ok()?;
        let mut start = 0;
        for end in memchr_iter(b'\n', &self.0) {
            let rest = text[start..end].strip_prefix(backend).and_then(|rest| rest.strip_prefix('/'));
            if let Some(entry) = rest.and_then(Entry::parse) {
                number = Some(entry.id[0]);
                set(entry.id[1], entry.is_there);
            }
            start = end + 1;
        }
        let number = number?;
        given.iter().filter(|[backend, _]| *backend == number).for_each(|[_, id]| set(*id, true));
        let free = is_taken.iter().position(|taken| !taken).unwrap_or(is_taken.len());
        Some([number, u32::try_from(free).ok()?])
    }
}

/// Whether a file with this beginning is about this worker.
pub(crate) fn is_about(beginning: &[u8], worker: &Worker) -> bool {
    head(beginning).is_some_and(|head| head.note.is_about(worker))
}

/// Whether a file with this beginning has grown so much that it must be written again.
pub(crate) fn is_grown(beginning: &[u8], size: u64) -> bool {
    head(beginning).is_none_or(|head| size > HEAD_MAX as u64 + head.length + head.length.max(APPENDED_MIN))
}

/// The line of a server that was added, or that is gone.
pub(crate) fn line(
    key: &str,
    backend: impl std::fmt::Display,
    server: impl std::fmt::Display,
    is_there: bool,
) -> String {
    format!("{key} {backend} {server} {}\n", if is_there { '+' } else { '-' })
}

struct Head {
    note: Note,
    /// How many bytes followed at first.
    length: u64,
}

fn head(beginning: &[u8]) -> Option<Head> {
    let end = memchr::memchr(b'\n', beginning)?;
    let line = std::str::from_utf8(&beginning[..end]).ok()?.strip_prefix(FORMAT)?;
    let mut words = line.split_ascii_whitespace();
    let (pid, birth) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Head { note: Note { pid, birth, ..Note::default() }, length: words.next()?.parse().ok()? })
}

struct Entry {
    id: StatId,
    is_there: bool,
}

impl Entry {
    /// Reads a line, which may begin within the name. A run that was killed may have left a part of one.
    fn parse(line: &str) -> Option<Entry> {
        let mut words = line.rsplitn(4, ' ');
        let is_there = match words.next()? {
            "+" => true,
            "-" => false,
            _ => return None,
        };
        let server = words.next()?.parse().ok()?;
        Some(Entry { id: [words.next()?.parse().ok()?, server], is_there })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn worker(pid: i32) -> Worker {
        Worker { pid, birth: Duration::from_secs(50), ..Worker::default() }
    }

    fn ids(lines: &str) -> ServerIds {
        let servers = [("a/s1", ["3", "1"]), ("a/s2", ["3", "2"]), ("b/s1", ["4", "7"])];
        let ids = ServerIds::of(&worker(7), servers.into_iter().map(|(key, id)| (key.to_owned(), id)));
        let bytes = [ids.bytes(), lines.as_bytes()].concat();
        assert_eq!(ServerIds::parse(bytes.clone(), &worker(8)), None);
        ServerIds::parse(bytes, &worker(7)).unwrap()
    }

    #[test]
    fn servers_are_found_by_name_and_later_lines_count() {
        let found = ids("");
        assert_eq!([found.get("a/s2"), found.get("b/s1")], [Some([3, 2]), Some([4, 7])]);
        assert_eq!([found.get("a/s3"), found.get("s2"), found.get("a/s")], [None; 3]);
        let found = ids("a/s3 3 3 +\na/s1 3 1 -\n");
        assert_eq!([found.get("a/s3"), found.get("a/s1")], [Some([3, 3]), None]);
        assert_eq!(ids("a/s1 3 9 +\n").get("a/s1"), Some([3, 9]));
    }

    #[test]
    fn a_line_that_was_cut_off_is_not_read() {
        for end in ["a/s3 3 1", "a/s3 3 17 +", "a/s3", "a/s3 3 17\n", "a/s3 3 1a/s4 3 5 +\n"] {
            assert_eq!([ids(end).get("a/s3"), ids(end).get("a/s4")], [None; 2], "{end}");
        }
    }

    #[test]
    fn the_lowest_free_number_is_next() {
        assert_eq!(ids("").next("a", &[]), Some([3, 3]));
        assert_eq!(ids("").next("a", &[[3, 3], [4, 4]]), Some([3, 4]));
        assert_eq!(ids("").next("b", &[]), Some([4, 1]));
        assert_eq!(ids("a/s1 3 1 -\n").next("a", &[]), Some([3, 1]));
        assert_eq!(ids("").next("c", &[]), None);
    }

    #[test]
    fn a_file_that_has_grown_is_written_again() {
        let found = ids("");
        assert!(!is_grown(found.bytes(), found.bytes().len() as u64));
        assert!(is_grown(found.bytes(), 2 * APPENDED_MIN) && is_grown(b"", 0));
    }
}
