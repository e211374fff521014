//! Charts as SVG, without a plotting library: only three kinds are needed, and a library would be larger than the
//! programs that are measured.
//!
//! A page may be light or dark, and an SVG cannot find out which. So a chart has its own background and is readable
//! on both.

mod bars;
mod canvas;
mod lines;
mod timeline;
mod unit;

use serde::{Deserialize, Serialize};

pub use bars::{Bar, Bars};
pub use lines::{Line, Lines};
pub use timeline::{Panel, Steps, Timeline};
pub use unit::{Unit, grouped};

/// A chart of one of the two kinds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chart {
    /// Bars of different lengths.
    Bars(Bars),
    /// Lines that show growth.
    Lines(Lines),
}

impl Chart {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        match self {
            Chart::Bars(bars) => bars.svg(),
            Chart::Lines(lines) => lines.svg(),
        }
    }
}
