//! HAProxy's answer about its servers, of which a part may still be on its way.

use std::cell::{Cell, OnceCell};

use common::servers_state::{Row, Table};

use crate::servers::ahead::Asked;
use crate::servers::apply::{check_info, state_at};
use crate::servers::compare::{read_rows, refused};
use crate::servers::reason::Reason;

/// An answer.
pub(crate) enum Answer {
    Whole(String),
    Coming(Coming),
}

/// An answer that comes in parts. Its rows refer to them.
pub(crate) struct Coming {
    asked: Cell<Option<Asked>>,
    first: Place,
}

/// Where a part is kept, once it has come.
type Place = OnceCell<Box<Part>>;

struct Part {
    text: String,
    next: Place,
}

impl From<String> for Answer {
    fn from(text: String) -> Answer {
        Answer::Whole(text)
    }
}

impl From<Asked> for Answer {
    fn from(asked: Asked) -> Answer {
        Answer::Coming(Coming { asked: Cell::new(Some(asked)), first: Place::new() })
    }
}

impl Answer {
    /// The rows of an answer to `show servers state`, when all of them have come. An answer is read once.
    pub(crate) fn rows(&self) -> Result<Vec<Row<'_>>, Reason> {
        match self {
            Answer::Whole(text) => read_rows(text),
            Answer::Coming(coming) => coming.rows(),
        }
    }
}

impl Coming {
    /// Reads each part when it comes. Fails as if the answer had been read as a whole.
    fn rows(&self) -> Result<Vec<Row<'_>>, Reason> {
        let asked = self.asked.take().ok_or(Reason::Incomplete)?;
        let mut place = &self.first;
        let mut keep = |text| {
            let part = place.get_or_init(|| Box::new(Part { text, next: Place::new() }));
            place = &part.next;
            part.text.as_str()
        };
        let head = keep(head(&asked));
        let (info, head) = head.split_at(state_at(head));
        let (mut reading, mut end) = (Reading::begin(head), head);
        while let Some(text) = asked.next() {
            let part = keep(text);
            reading.read(part);
            end = if part.is_empty() { end } else { part };
        }
        let pid = asked.pid;
        asked.end()?;
        check_info(info, pid)?;
        // Rows missing at the end would look like missing servers. Each part before the last one ends with a line.
        let is_whole = end == "\n" || end.ends_with("\n\n");
        if is_whole { reading.rows() } else { Err(Reason::Incomplete) }
    }
}

/// The beginning of the answer: all about the process, and the first two lines about its servers.
fn head(asked: &Asked) -> String {
    let has_columns = |head: &str| head[state_at(head)..].lines().nth(2).is_some();
    let mut head = String::new();
    while let Some(part) = (!has_columns(&head)).then(|| asked.next()).flatten() {
        head += &part;
    }
    head
}

/// What was read so far: the columns and the rows, or the line that cannot be read.
struct Reading<'a> {
    table: Result<Table, &'a str>,
    rows: Vec<Row<'a>>,
}

impl<'a> Reading<'a> {
    /// Reads the first part about servers.
    fn begin(head: &'a str) -> Reading<'a> {
        let begun = Table::begin(head);
        let rest = begun.as_ref().map_or("", |(_, rest)| rest);
        let mut reading = Reading { table: begun.map(|(table, _)| table), rows: Vec::new() };
        reading.read(rest);
        reading
    }

    fn read(&mut self, part: &'a str) {
        if let Ok(table) = &self.table
            && let Err(line) = table.read(part, &mut self.rows)
        {
            self.table = Err(line);
        }
    }

    fn rows(self) -> Result<Vec<Row<'a>>, Reason> {
        self.table.map(|_| self.rows).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::haproxy::instance::Worker;
    use crate::haproxy::version::Version;
    use crate::servers::apply::Runtime;

    const INFO: &str = "Name: HAProxy\nVersion: 2.6.12\nPid: 7\nUptime_sec: 5\nStopping: 0\n\n";
    const HEAD: &str =
        "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port\n";

    /// What a HAProxy is asked that answers `answer` in writes of `step` bytes: the rows as they come, and as a whole.
    fn asked(answer: &str, step: usize) -> [Result<String, Reason>; 2] {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let bytes = answer.as_bytes().to_vec();
        let haproxy = thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_to_end(&mut Vec::new()).unwrap();
                bytes.chunks(step).for_each(|part| stream.write_all(part).unwrap());
            }
        });
        let worker = Worker { pid: 7, ..Worker::default() };
        let version = Version::parse("2.6.12").unwrap();
        let runtime = Runtime { socket: &socket, worker: &worker, version, patience: Duration::from_secs(5) };
        let shown = |answer: Answer| answer.rows().map(|rows| format!("{rows:?}"));
        let coming = shown(runtime.ask_ahead().unwrap().into());
        let whole = runtime.servers().map(Answer::from).and_then(shown);
        haproxy.join().unwrap();
        [coming, whole]
    }

    #[test]
    fn an_answer_in_parts_is_read_as_a_whole_one() {
        let rows: String = (0..900).map(|n| format!("3 nodes {n} s{n} 10.0.0.1 2 0 1 80\n")).collect();
        let good = format!("{INFO}{HEAD}{rows}\n");
        let other = good.replace("Pid: 7", "Pid: 8");
        let unread = good.replace("s700 10.0.0.1 2", "s700 10.0.0.1 x");
        let cases = [
            good.clone(),
            format!("{INFO}{HEAD}\n"),
            format!("{INFO}{HEAD}{rows}"),
            format!("{INFO}{HEAD}{rows}3 nodes"),
            format!("{INFO}{HEAD}{rows}3 nodes\n\n"),
            unread.trim_end().to_owned(),
            good.replace("srv_port", "port"),
            INFO.to_owned(),
            "Permission denied\n\n".to_owned(),
            String::new(),
            other,
            unread,
        ];
        for (case, step) in cases.iter().flat_map(|case| [(case, 1 << 20), (case, 4_001), (case, 17)]) {
            let [coming, whole] = asked(case, step);
            assert_eq!(coming, whole, "{}", case.len());
        }
        assert!(asked(&good, 100)[0].is_ok() && asked(&cases[2], 100)[0].is_err());
    }
}
