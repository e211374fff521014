//! A chart with two logarithmic axes, on which proportional growth rises by one decade in one decade.
//!
//! A dashed line shows that slope. A line's name is at its right end.

use serde::{Deserialize, Serialize};

use crate::chart::canvas::{COLOURS, Canvas, EDGE, TOP, WIDTH};
use crate::chart::unit::Unit;

const HEIGHT: f64 = 440.0;
const LEFT: f64 = 76.0;
/// The room for the names, to the right of the lines.
const RIGHT: f64 = 250.0;
const BOTTOM: f64 = 52.0;
/// The least distance between two names, so that they do not cover each other.
const APART: f64 = 16.0;

/// A line chart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lines {
    /// The title: what is shown.
    pub title: String,
    /// The explanation: how it was measured.
    pub about: String,
    /// The label below the horizontal axis.
    pub across: String,
    /// The unit of the heights.
    pub unit: Unit,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its points, from left to right, all greater than 0.
    pub points: Vec<(f64, f64)>,
}

/// Converts values to positions in the drawing, between the powers of ten at the ends of each axis.
struct Axis {
    low: i32,
    high: i32,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Axis {
        let (least, most) =
            (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN_POSITIVE, f64::max));
        let low = least.log10().floor() as i32;
        let high = (most.log10().ceil() as i32).max(low + 1);
        Axis { low, high, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        self.from + part * (self.to - self.from)
    }

    fn decades(&self) -> impl Iterator<Item = f64> + use<> {
        (self.low..=self.high).map(|power| 10_f64.powi(power))
    }
}

impl Lines {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        let mut canvas = Canvas::new(HEIGHT, &self.title, &self.about);
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let across = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let up = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
        self.draw_grid(&mut canvas, &across, &up);
        draw_guide(&mut canvas, &across, &up);
        for (number, line) in self.lines.iter().enumerate() {
            let colour = number % COLOURS;
            let places: Vec<_> = line.points.iter().map(|(x, y)| (across.at(*x), up.at(*y))).collect();
            let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            canvas.add(&format!("<polyline class=\"line c{colour}\" points=\"{}\"/>", path.join(" ")));
            for (x, y) in places {
                canvas.add(&format!("<circle class=\"d{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"));
            }
        }
        self.draw_names(&mut canvas, &up);
        canvas.end()
    }

    fn draw_grid(&self, canvas: &mut Canvas, across: &Axis, up: &Axis) {
        for value in across.decades() {
            let x = across.at(value);
            canvas.line("grid", (x, TOP), (x, HEIGHT - BOTTOM));
            canvas.write(x, HEIGHT - BOTTOM + 18.0, "small", "middle", &Unit::Count.shown(value));
        }
        for value in up.decades() {
            let y = up.at(value);
            canvas.line("grid", (LEFT, y), (WIDTH - RIGHT, y));
            canvas.write(LEFT - 8.0, y + 4.0, "small", "end", &self.unit.shown(value));
        }
        canvas.line("axis", (LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, HEIGHT - BOTTOM));
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        canvas.write(middle, HEIGHT - EDGE + 2.0, "small", "middle", &self.across);
    }

    /// Places the names at the ends of the lines, each at its line's height or just below the name above it.
    fn draw_names(&self, canvas: &mut Canvas, up: &Axis) {
        let end = |line: &Line| line.points.last().map_or(HEIGHT, |point| up.at(point.1));
        let mut order: Vec<(f64, usize)> =
            self.lines.iter().enumerate().map(|(number, line)| (end(line), number)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut above = f64::MIN;
        for (y, number) in order {
            above = y.max(above + APART);
            let x = WIDTH - RIGHT + 10.0;
            canvas.write(
                x,
                above + 4.0,
                &format!("d{}", number % COLOURS),
                "start",
                &self.lines[number].name,
            );
        }
    }
}

/// A dashed line in the lower left with the slope of proportional growth.
fn draw_guide(canvas: &mut Canvas, across: &Axis, up: &Axis) {
    let decades = (across.high - across.low).min(up.high - up.low);
    let (x, y) = (10_f64.powi(across.high - decades), 10_f64.powi(up.low));
    let (end_x, end_y) = (10_f64.powi(across.high), 10_f64.powi(up.low + decades));
    canvas.line("guide", (across.at(x), up.at(y)), (across.at(end_x), up.at(end_y)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decade_has_the_same_length() {
        let axis = Axis::over([20.0, 4_000.0].into_iter(), 0.0, 300.0);
        assert_eq!((axis.low, axis.high), (1, 4));
        assert_eq!(axis.at(10.0), 0.0);
        assert!((axis.at(1_000.0) - 200.0).abs() < 1e-9);
    }

    #[test]
    fn names_of_lines_that_end_together_do_not_cover_each_other() {
        let line = |name: &str| Line { name: name.to_owned(), points: vec![(10.0, 1.0), (100.0, 2.0)] };
        let chart = Lines {
            title: "t".to_owned(),
            about: String::new(),
            across: "records".to_owned(),
            unit: Unit::Seconds,
            lines: vec![line("one"), line("other")],
        };
        let svg = chart.svg();
        let height = |name: &str| -> f64 {
            let text = svg.lines().find(|text| text.ends_with(&format!(">{name}</text>"))).unwrap();
            text.split("y=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        assert!(height("other") - height("one") >= APART);
    }
}
