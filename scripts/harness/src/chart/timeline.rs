//! A chart of what happened over time: panels below each other with one common time axis.
//!
//! Things of different kinds, such as requests and servers, have a panel each, so no panel needs two scales. A value is
//! valid until the next one, so the lines are steps.

use serde::{Deserialize, Serialize};

use crate::chart::canvas::{Canvas, EDGE, TOP, WIDTH};

const LEFT: f64 = 60.0;
/// The height of a panel's drawing, and of its name above it.
const PANEL: f64 = 150.0;
const NAME: f64 = 24.0;
/// The room below the last panel, for the times.
const BOTTOM: f64 = 44.0;
/// The room for one name in a panel's first line.
const KEY: f64 = 130.0;
/// About how many parts an axis has.
const PARTS: f64 = 4.0;

/// A chart over time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timeline {
    /// The title: what is shown.
    pub title: String,
    /// The explanation: how it was measured.
    pub about: String,
    /// The panels, from top to bottom.
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Panel {
    /// What its heights count.
    pub name: String,
    /// The lines. The first one is drawn below the others.
    pub steps: Vec<Steps>,
}

/// One line of steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Steps {
    /// Its name.
    pub name: String,
    /// Its colour, by number (see the canvas).
    pub colour: usize,
    /// Seconds and values, from left to right.
    pub points: Vec<(f64, f64)>,
}

impl Timeline {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        let height = TOP + (NAME + PANEL) * self.panels.len() as f64 + BOTTOM;
        let mut canvas = Canvas::new(height, &self.title, &self.about);
        let end = most(self.panels.iter().flat_map(|panel| &panel.steps), |point| point.0);
        for (number, panel) in self.panels.iter().enumerate() {
            let top = TOP + NAME + (NAME + PANEL) * number as f64;
            draw(&mut canvas, panel, top, end);
        }
        draw_times(&mut canvas, height - BOTTOM, end);
        canvas.end()
    }
}

/// The largest of one coordinate of all points.
fn most<'a>(steps: impl Iterator<Item = &'a Steps>, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    steps.flat_map(|steps| &steps.points).map(of).fold(f64::MIN_POSITIVE, f64::max)
}

fn across(seconds: f64, end: f64) -> f64 {
    LEFT + seconds / end * (WIDTH - LEFT - EDGE)
}

fn draw(canvas: &mut Canvas, panel: &Panel, top: f64, end: f64) {
    let part = round_part(most(panel.steps.iter(), |point| point.1));
    let parts = (most(panel.steps.iter(), |point| point.1) / part).ceil();
    let up = |value: f64| top + PANEL * (1.0 - value / (part * parts));
    for line in 0..=parts as u32 {
        let value = part * f64::from(line);
        canvas.line("grid", (LEFT, up(value)), (WIDTH - EDGE, up(value)));
        canvas.write(LEFT - 8.0, up(value) + 4.0, "small", "end", &format!("{value}"));
    }
    canvas.write(LEFT, top - 8.0, "small", "start", &panel.name);
    for (number, steps) in panel.steps.iter().enumerate() {
        let colour = steps.colour;
        let places = staircase(&steps.points, end).into_iter().map(|(x, y)| (across(x, end), up(y)));
        let path: Vec<String> = places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        canvas.add(&format!("<polyline class=\"line c{colour}\" points=\"{}\"/>", path.join(" ")));
        if panel.steps.len() > 1 {
            let x = WIDTH - EDGE - KEY * (panel.steps.len() - number) as f64 + KEY;
            canvas.write(x, top - 8.0, &format!("d{colour}"), "end", &steps.name);
        }
    }
}

/// Points of a line on which each value stays until the next one, and the last one until the end.
fn staircase(points: &[(f64, f64)], end: f64) -> Vec<(f64, f64)> {
    let ends = points.iter().skip(1).map(|next| next.0).chain([end]);
    points.iter().zip(ends).flat_map(|(point, until)| [*point, (until, point.1)]).collect()
}

fn draw_times(canvas: &mut Canvas, y: f64, end: f64) {
    canvas.line("axis", (LEFT, y), (WIDTH - EDGE, y));
    let part = if end > 240.0 { 60.0 } else { round_part(end * 0.6) };
    for number in 0..=(end / part) as u32 {
        let seconds = part * f64::from(number);
        let text = if end > 240.0 { format!("{number} min") } else { format!("{seconds} s") };
        canvas.line("axis", (across(seconds, end), y), (across(seconds, end), y + 4.0));
        canvas.write(across(seconds, end), y + 18.0, "small", "middle", &text);
    }
}

/// 1, 2, 5, 10, 20, ...: the first that divides an axis of this length into few parts.
fn round_part(length: f64) -> f64 {
    let rough = (length / PARTS).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    let fit = [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|part| *part >= rough);
    fit.unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_until_the_next_one() {
        let points = [(0.0, 2.0), (3.0, 4.0)];
        assert_eq!(staircase(&points, 5.0), [(0.0, 2.0), (3.0, 2.0), (3.0, 4.0), (5.0, 4.0)]);
        assert_eq!(staircase(&[], 5.0), []);
    }

    #[test]
    fn an_axis_has_few_round_parts() {
        assert_eq!(round_part(8.0), 2.0);
        assert_eq!(round_part(152.0), 50.0);
        assert_eq!(round_part(1.0), 1.0);
        assert_eq!(round_part(24_001.0), 10_000.0);
    }

    #[test]
    fn all_panels_share_the_time_axis() {
        let steps =
            |end: f64| Steps { name: "n".to_owned(), colour: 0, points: vec![(0.0, 1.0), (end, 2.0)] };
        let panel = |end| Panel { name: "p".to_owned(), steps: vec![steps(end)] };
        let chart =
            Timeline { title: "t".to_owned(), about: String::new(), panels: vec![panel(5.0), panel(10.0)] };
        let lines = chart.svg();
        let ends: Vec<&str> = lines.lines().filter(|line| line.starts_with("<polyline")).collect();
        assert_eq!(ends.len(), 2);
        assert!(ends.iter().all(|line| line.contains(&format!(" {:.1},", WIDTH - EDGE))), "{ends:?}");
    }
}
