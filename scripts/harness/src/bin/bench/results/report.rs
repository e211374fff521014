//! The table: a row for each figure, printed as soon as it is measured, with its target and a verdict.
//!
//! A row is printed by this module, not by the measure, so every figure has its number of samples and its target
//! beside it.

use std::process::ExitCode;
use std::time::Duration;

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A length of time.
    Time(Duration),
    /// Memory in KiB.
    Memory(u64),
    /// A ratio of two figures.
    Ratio(f64),
    /// A number of things.
    Count(u64),
}

impl Figure {
    fn value(self) -> f64 {
        match self {
            Figure::Time(time) => time.as_secs_f64(),
            Figure::Memory(kib) => kib as f64,
            Figure::Ratio(ratio) => ratio,
            Figure::Count(count) => count as f64,
        }
    }

    fn shown(self) -> String {
        match self {
            Figure::Time(time) if time < Duration::from_secs(1) => {
                format!("{:.2} ms", time.as_secs_f64() * 1e3)
            }
            Figure::Time(time) => format!("{:.2} s", time.as_secs_f64()),
            Figure::Memory(kib) => format!("{:.1} MiB", kib as f64 / 1024.0),
            Figure::Ratio(ratio) => format!("{ratio:.2} x"),
            Figure::Count(count) => count.to_string(),
        }
    }

    fn is_within(self, target: Figure) -> bool {
        self.value() <= target.value()
    }
}

/// The table so far.
#[derive(Debug, Default)]
pub struct Report {
    judged: usize,
    over: Vec<String>,
}

impl Report {
    /// Prints the head.
    pub fn begin() -> Report {
        println!("\n{:<62} {:>10} {:>10} {:>5}  verdict", "measure (medians)", "figure", "at most", "n");
        println!("{}", "─".repeat(99));
        Report::default()
    }

    /// Prints a figure, the median of `n`, and judges it if there is a target.
    pub fn row(&mut self, what: &str, figure: Figure, target: Option<Figure>, n: usize) {
        let verdict = match target {
            None => "",
            Some(target) if figure.is_within(target) => "ok",
            Some(_) => "OVER",
        };
        let at_most = target.map(Figure::shown).unwrap_or_default();
        println!(
            "{}",
            format!("{what:<62} {:>10} {at_most:>10} {n:>5}  {verdict}", figure.shown()).trim_end()
        );
        self.judged += usize::from(target.is_some());
        if verdict == "OVER" {
            self.over.push(what.to_owned());
        }
    }

    /// Prints a remark about the rows before it.
    pub fn note(&self, text: &str) {
        println!("    {text}");
    }

    /// Prints the verdict, which is also the exit code.
    pub fn end(&self) -> ExitCode {
        println!("{}", "─".repeat(99));
        match self.judged {
            0 => println!("no targets for these"),
            judged => println!("{} of {judged} within target", judged - self.over.len()),
        }
        self.over.iter().for_each(|what| println!("OVER: {what}"));
        if self.over.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_shown_in_the_unit_that_people_use() {
        assert_eq!(Figure::Time(Duration::from_micros(1834)).shown(), "1.83 ms");
        assert_eq!(Figure::Time(Duration::from_millis(1320)).shown(), "1.32 s");
        assert_eq!(Figure::Memory(2355).shown(), "2.3 MiB");
        assert_eq!(Figure::Ratio(1.256).shown(), "1.26 x");
    }

    #[test]
    fn one_figure_over_its_target_makes_the_verdict() {
        let mut report = Report::default();
        report.row("a", Figure::Ratio(1.0), Some(Figure::Ratio(1.0)), 1);
        report.row("b", Figure::Ratio(9.0), None, 1);
        assert_eq!(report.end(), ExitCode::SUCCESS);
        report.row("c", Figure::Count(1), Some(Figure::Count(0)), 1);
        assert_eq!(report.end(), ExitCode::FAILURE);
    }
}
