//! The tour's table: one row for each thing seen, written as soon as it is.
//!
//! A row fits a terminal of 110 columns, and is plain text in a log.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use harness::traffic::load::Counts;
use harness::{Error, Result};

/// Writes rows, with the time since the table began.
#[derive(Debug)]
pub struct Table {
    start: Instant,
}

impl Table {
    /// Begins the table, under a title.
    pub fn begin(title: &str) -> Result<Table> {
        let table = Table { start: Instant::now() };
        table.line(title)?;
        table.line("")?;
        table
            .line("    time   what                                                        after     limit")?;
        table.line(&"─".repeat(100))?;
        Ok(table)
    }

    /// What is done now.
    pub fn action(&self, text: &str) -> Result<()> {
        self.line(&format!("{:>6.1} s   {text}", self.start.elapsed().as_secs_f64()))
    }

    /// A remark on what is done now, of one line or more.
    pub fn note(&self, text: &str) -> Result<()> {
        self.line(&format!("             ({})", text.replace('\n', "\n              ")))
    }

    /// An effect, how long after the action it was seen (`None` if never), and the limit.
    pub fn effect(&self, text: &str, after: Option<Duration>, limit: Duration) -> Result<()> {
        let now = self.start.elapsed().as_secs_f64();
        let after = after.map_or_else(|| "never".to_owned(), |after| format!("{:.2} s", after.as_secs_f64()));
        let limit = limit.as_secs_f64();
        self.line(&format!("{now:>6.1} s     → {text:<54} {after:>7} {limit:>7.1} s"))
    }

    /// The outcomes of the requests meanwhile.
    pub fn requests(&self, counts: &Counts, note: &str) -> Result<()> {
        let failed = match counts.failures() {
            0 => "0 failed".to_owned(),
            failures => format!("{failures} FAILED ({})", counts.failures_shown()),
        };
        self.line(&format!("             {} requests, {failed}{note}", counts.requests))?;
        self.line("")
    }

    /// Any line.
    pub fn line(&self, text: &str) -> Result<()> {
        let written = writeln!(io::stdout(), "{}", text.trim_end());
        written.map_err(|err| Error::System { verb: "write to", object: "stdout".to_owned(), err })
    }
}
