//! The table of a tour or of `scale`: one row for each observation, printed at once.
//!
//! A row fits a terminal of 110 columns, and is plain text in a log.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use harness::traffic::load::Counts;
use harness::{Error, Result};

/// Prints rows, with the time since the table began.
#[derive(Debug)]
pub struct Table {
    start: Instant,
}

impl Table {
    /// Begins the table, with the names of its columns.
    pub fn begin(head: &str) -> Result<Table> {
        let table = Table { start: Instant::now() };
        table.line("")?;
        table.line(head)?;
        table.line(&"─".repeat(100))?;
        Ok(table)
    }

    /// Prints the action that begins now.
    pub fn action(&self, text: &str) -> Result<()> {
        self.line(&format!("{:>6.1} s   {text}", self.start.elapsed().as_secs_f64()))
    }

    /// Prints a remark of one or more lines about the action.
    pub fn note(&self, text: &str) -> Result<()> {
        self.line(&format!("             ({})", text.replace('\n', "\n              ")))
    }

    /// Prints an effect, how long after the action it was seen (`None` if never), and the limit.
    pub fn effect(&self, text: &str, after: Option<Duration>, limit: Duration) -> Result<()> {
        let now = self.start.elapsed().as_secs_f64();
        let after = after.map_or_else(|| "never".to_owned(), |after| format!("{:.2} s", after.as_secs_f64()));
        let limit = limit.as_secs_f64();
        self.line(&format!("{now:>6.1} s     → {text:<54} {after:>7} {limit:>7.1} s"))
    }

    /// Prints the outcomes of the requests meanwhile.
    pub fn requests(&self, counts: &Counts, note: &str) -> Result<()> {
        let failed = match counts.failures() {
            0 => "0 failed".to_owned(),
            failures => format!("{failures} FAILED ({})", counts.failures_shown()),
        };
        self.line(&format!("             {} requests, {failed}{note}", counts.requests))?;
        self.line("")
    }

    /// Prints the last lines of a log.
    pub fn end_of_log(&self, log: &str) -> Result<()> {
        self.line("the end of the log:")?;
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].iter().try_for_each(|line| self.line(&format!("  {line}")))
    }

    /// Prints any line.
    pub fn line(&self, text: &str) -> Result<()> {
        print(text.trim_end())
    }
}

/// Prints a line.
pub fn print(line: &str) -> Result<()> {
    let written = writeln!(io::stdout(), "{line}");
    written.map_err(|err| Error::System { verb: "write to", object: "stdout".to_owned(), err })
}
