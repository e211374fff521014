//! A bar chart that compares a few things; ours have a colour of their own.

use serde::{Deserialize, Serialize};

use crate::chart::canvas::{Canvas, EDGE, TOP, WIDTH};
use crate::chart::unit::Unit;

const ROW: f64 = 28.0;
const THICK: f64 = 18.0;
/// The left end of the bars, with room for the names.
const LEFT: f64 = 300.0;
/// The room for a bar's figure, to the right of the longest bar.
const FIGURE: f64 = 80.0;

/// A bar chart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bars {
    /// The title: what is compared.
    pub title: String,
    /// The explanation: how it was measured.
    pub about: String,
    /// The unit of the lengths.
    pub unit: Unit,
    /// The bars, from top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Its length.
    pub value: f64,
    /// Whether it is ours.
    pub is_ours: bool,
}

impl Bars {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        let height = TOP + ROW * self.bars.len() as f64 + EDGE;
        let mut canvas = Canvas::new(height, &self.title, &self.about);
        let longest = self.bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
        for (row, bar) in self.bars.iter().enumerate() {
            let top = TOP + ROW * row as f64;
            let length = (bar.value / longest * (WIDTH - LEFT - FIGURE - EDGE)).max(2.0);
            let class = if bar.is_ours { "ours" } else { "bar" };
            let base = top + THICK * 0.75;
            canvas.write(LEFT - 10.0, base, "", "end", &bar.name);
            canvas.add(&format!(
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{THICK}\" \
                 rx=\"2\"/>"
            ));
            canvas.write(LEFT + length + 8.0, base, "", "start", &self.unit.shown(bar.value));
        }
        canvas.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_leaves_room_for_its_figure() {
        let bar = |value| Bar { name: "x".to_owned(), value, is_ours: false };
        let bars = vec![bar(1.0), bar(4.0)];
        let chart = Bars { title: "t".to_owned(), about: String::new(), unit: Unit::Seconds, bars };
        let svg = chart.svg();
        assert!(svg.contains("width=\"101.0\" height=\"18\""), "{svg}");
        assert!(svg.contains("width=\"404.0\" height=\"18\""), "{svg}");
        assert!(svg.contains(">4 s<"), "{svg}");
    }
}
