//! Charts as SVG, drawn by hand: two kinds are needed, and a plotting library would be larger than the programs that
//! are measured.
//!
//! A page may be light or dark. An SVG in a page cannot ask which, only what the reader prefers; so a chart has a
//! ground of its own and can be read in any case.

mod bars;
mod canvas;
mod lines;
mod unit;

use serde::{Deserialize, Serialize};

pub use bars::{Bar, Bars};
pub use lines::{Line, Lines};
pub use unit::{Unit, grouped};

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
