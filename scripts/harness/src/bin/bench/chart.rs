//! Charts as SVG, drawn by hand: two kinds are needed, and a plotting library would be larger than the programs that
//! are measured.
//!
//! A page may be light or dark. An SVG in a page cannot ask which, only what the reader prefers; so a chart has a
//! ground of its own and can be read in any case.

mod bars;
mod lines;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use bars::{Bar, Bars};
pub use lines::{Line, Lines};

const WIDTH: f64 = 800.0;
const EDGE: f64 = 16.0;
/// Where the drawing begins, below the title and its explanation.
const TOP: f64 = 64.0;

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.small{font-size:12px;fill:#59636e}\
.ground{fill:#fff;stroke:#d1d9e0}.grid{stroke:#d1d9e0}.axis{stroke:#818b98}.bar{fill:#b6bfc9}.ours{fill:#1f6feb}\
.line{fill:none;stroke-width:2}.guide{stroke:#818b98;stroke-dasharray:3 4}\
.c0{stroke:#1f6feb}.c1{stroke:#d1601f}.c2{stroke:#1a7f4b}.c3{stroke:#a6409b}.c4{stroke:#9a7b00}.c5{stroke:#59636e}\
.d0{fill:#1f6feb}.d1{fill:#d1601f}.d2{fill:#1a7f4b}.d3{fill:#a6409b}.d4{fill:#9a7b00}.d5{fill:#59636e}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.ground{fill:#0d1117;stroke:#3d444d}\
.grid{stroke:#2a313c}.axis{stroke:#656c76}.bar{fill:#4b545f}.ours{fill:#4493f8}\
.c0{stroke:#4493f8}.c1{stroke:#f0883e}.c2{stroke:#3fb950}.c3{stroke:#db70d0}.c4{stroke:#d9b42c}.c5{stroke:#9198a1}\
.d0{fill:#4493f8}.d1{fill:#f0883e}.d2{fill:#3fb950}.d3{fill:#db70d0}.d4{fill:#d9b42c}.d5{fill:#9198a1}}";
/// Colours of lines in the style.
const COLOURS: usize = 6;

/// What a number means, and so how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Mebibytes.
    Mebibytes,
    /// A plain number.
    Count,
}

impl Unit {
    /// A value in words, as exact as one needs it.
    pub fn shown(self, value: f64) -> String {
        match self {
            Unit::Seconds if value < 1e-3 => format!("{} µs", digits(value * 1e6)),
            Unit::Seconds if value < 1.0 => format!("{} ms", digits(value * 1e3)),
            Unit::Seconds => format!("{} s", digits(value)),
            Unit::Mebibytes if value >= 1024.0 => format!("{} GiB", digits(value / 1024.0)),
            Unit::Mebibytes => format!("{} MiB", digits(value)),
            Unit::Count => grouped(value.round() as u64),
        }
    }
}

/// Two or three digits that mean something.
fn digits(value: f64) -> String {
    if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}").trim_end_matches(".0").to_owned()
    } else {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// A whole number with a comma at each thousand.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A chart of one of the two kinds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chart {
    /// Lengths to compare.
    Bars(Bars),
    /// How something grows.
    Lines(Lines),
}

impl Chart {
    /// The SVG.
    pub fn svg(&self) -> String {
        match self {
            Chart::Bars(bars) => bars.svg(),
            Chart::Lines(lines) => lines.svg(),
        }
    }
}

/// An SVG that is being drawn.
struct Canvas {
    text: String,
}

impl Canvas {
    /// One with its ground, title and explanation.
    fn new(height: f64, title: &str, about: &str) -> Canvas {
        let mut canvas = Canvas {
            text: format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
                 height=\"{height}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>\n<style>{STYLE}</style>\n",
                escaped(title)
            ),
        };
        canvas.add(&format!(
            "<rect class=\"ground\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            WIDTH - 1.0,
            height - 1.0
        ));
        canvas.write(EDGE, 28.0, "title", "start", title);
        canvas.write(EDGE, 47.0, "small", "start", about);
        canvas
    }

    fn add(&mut self, element: &str) {
        self.text.push_str(element);
        self.text.push('\n');
    }

    fn write(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(
            self.text,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(&format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    fn end(mut self) -> String {
        self.add("</svg>");
        self.text
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_say_them() {
        assert_eq!(Unit::Seconds.shown(0.012_63), "12.6 ms");
        assert_eq!(Unit::Seconds.shown(0.001), "1 ms");
        assert_eq!(Unit::Seconds.shown(2.5), "2.5 s");
        assert_eq!(Unit::Seconds.shown(0.000_25), "250 µs");
        assert_eq!(Unit::Mebibytes.shown(2048.0), "2 GiB");
        assert_eq!(Unit::Count.shown(1_234_567.0), "1,234,567");
    }

    #[test]
    fn what_a_program_calls_itself_breaks_no_chart() {
        assert_eq!(escaped("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
    }
}
