//! The results of one measure, kept in a file, and the tables and charts made from them for the documents.
//!
//! All figures in a document come from `docs/figures/NAME.json`, which a run of the bench has written. So a chart can
//! be drawn again without measuring again, and a test can check that no figure was typed by hand. A quick run writes
//! to `target/bench` instead, because its figures are not precise enough to quote.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::replace::replace;
use harness::chart::Chart;
use harness::run::programs;
use harness::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::results::timed_run::system;

/// Tables and charts by name, and the machine on which they were measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// The measure.
    pub name: String,
    /// The machine and the versions.
    pub machine: Vec<String>,
    /// The tables.
    pub tables: BTreeMap<String, Table>,
    /// The charts.
    pub charts: BTreeMap<String, Chart>,
}

/// A table. Its first column contains names, the others figures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut rule = vec!["---:".to_owned(); self.head.len()];
        if let Some(first) = rule.first_mut() {
            "---".clone_into(first);
        }
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.head) + &line(&rule).replace(' ', "") + &rows
    }
}

impl Figures {
    /// Empty results of this measure.
    pub fn of(name: &str, machine: Vec<String>) -> Figures {
        Figures { name: name.to_owned(), machine, ..Figures::default() }
    }

    /// Writes the figures to their file, and updates the charts and the documents.
    pub fn publish(&self, quick: bool) -> Result<()> {
        let docs = if quick { rehearsal()? } else { programs::shipped("docs") };
        let directory = docs.join("figures");
        fs::create_dir_all(&directory).map_err(system("make", &directory))?;
        let mut text = serde_json::to_string_pretty(self).expect("maps with string keys are JSON");
        text.push('\n');
        put(&directory.join(format!("{}.json", self.name)), &text)?;
        println!("\nwritten to '{}'", docs.display());
        self.draw(&docs)
    }

    /// Draws the charts, and puts the tables into all documents of a directory that have markers for them.
    pub fn draw(&self, docs: &Path) -> Result<()> {
        for (name, chart) in &self.charts {
            put(&docs.join("figures").join(format!("{name}.svg")), &chart.svg())?;
        }
        for path in documents(docs)? {
            let old = fs::read_to_string(&path).map_err(system("read", &path))?;
            let new = self.fill(&old);
            if new != old {
                put(&path, &new)?;
            }
        }
        Ok(())
    }

    /// A document with the tables of these figures between their markers.
    fn fill(&self, document: &str) -> String {
        let machine: String = self.machine.iter().map(|line| format!("    {line}\n")).collect();
        let mut text = replaced(document, &format!("machine of {}", self.name), &machine);
        for (name, table) in &self.tables {
            text = replaced(&text, name, &table.markdown());
        }
        text
    }
}

/// Draws all charts again from the files.
pub fn draw_all() -> Result<()> {
    let docs = programs::shipped("docs");
    let directory = docs.join("figures");
    for path in with_ending(&directory, "json")? {
        let text = fs::read(&path).map_err(system("read", &path))?;
        let figures: Figures = serde_json::from_slice(&text)
            .map_err(|err| Error::Answer { from: path.display().to_string(), reason: err.to_string() })?;
        figures.draw(&docs)?;
    }
    Ok(())
}

/// Puts lines between the markers with this name, if the document has them.
fn replaced(document: &str, name: &str, lines: &str) -> String {
    let begin = format!("<!-- figures: {name} -->\n");
    let Some((before, rest)) = document.split_once(&begin) else { return document.to_owned() };
    let Some((_, after)) = rest.split_once("<!-- end -->") else { return document.to_owned() };
    // Without the empty line, Markdown would treat the lines as part of the comment.
    format!("{before}{begin}\n{lines}\n<!-- end -->{after}")
}

/// A copy of the documents, for a quick run.
fn rehearsal() -> Result<PathBuf> {
    let copy = programs::shipped("target/bench");
    fs::create_dir_all(&copy).map_err(system("make", &copy))?;
    for path in documents(&programs::shipped("docs"))? {
        let text = fs::read_to_string(&path).map_err(system("read", &path))?;
        put(&copy.join(path.file_name().unwrap_or_default()), &text)?;
    }
    Ok(copy)
}

fn documents(directory: &Path) -> Result<Vec<PathBuf>> {
    with_ending(directory, "md")
}

fn with_ending(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).map_err(system("list", directory))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|known| known == ending));
    paths.sort();
    Ok(paths)
}

fn put(path: &Path, text: &str) -> Result<()> {
    replace(path, text.as_bytes(), 0o644).map_err(system("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_between_its_markers_and_nothing_else() {
        let mut table = Table::new(&["what", "time"]);
        table.row(["a".to_owned(), "1 ms".to_owned()]);
        let mut figures = Figures::default();
        figures.tables.insert("t".to_owned(), table);
        let document =
            "a\n<!-- figures: t -->\nold\n<!-- end -->\nb\n<!-- figures: u -->\nkept\n<!-- end -->\n";
        let filled = figures.fill(document);
        let expected = "a\n<!-- figures: t -->\n\n| what | time |\n|---|---:|\n| a | 1 ms |\n\n<!-- end -->\nb\n\
                        <!-- figures: u -->\nkept\n<!-- end -->\n";
        assert_eq!(filled, expected);
        assert_eq!(figures.fill(&filled), filled);
    }

    #[test]
    fn the_documents_show_the_figures_of_the_results() {
        let docs = programs::shipped("docs");
        // There are no results before the first run.
        let results = with_ending(&docs.join("figures"), "json").unwrap_or_default();
        for path in results {
            let figures: Figures = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            for (name, chart) in &figures.charts {
                let drawn = fs::read_to_string(docs.join("figures").join(format!("{name}.svg"))).unwrap();
                assert!(drawn == chart.svg(), "{name}.svg: run scripts/bench draw");
            }
            for document in documents(&docs).unwrap() {
                let text = fs::read_to_string(&document).unwrap();
                assert!(figures.fill(&text) == text, "{}: run scripts/bench draw", document.display());
            }
        }
    }
}
