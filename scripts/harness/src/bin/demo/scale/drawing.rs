//! The chart of a run of `demo scale`: the load above, the servers that were wanted and that served below.

use std::path::{Path, PathBuf};

use common::replace::replace;
use harness::Result;
use harness::chart::{Panel, Steps, Timeline};

use crate::scale::look::Look;
use crate::scale::plan::{Length, Plan};

/// Checks the file of a chart before the run, because a run takes minutes.
pub fn check_file(path: &str) -> std::result::Result<PathBuf, String> {
    let path = PathBuf::from(path);
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    if path.is_dir() || path.file_name().is_none() {
        Err("it is a directory; name a file".to_owned())
    } else if directory.is_some_and(|directory| !directory.is_dir()) {
        Err("its directory does not exist".to_owned())
    } else {
        Ok(path)
    }
}

/// Writes the chart.
pub fn write(path: &Path, plan: &Plan, looks: &[Look]) -> Result<()> {
    let svg = chart(plan, looks).svg();
    replace(path, svg.as_bytes(), 0o644).map_err(harness::system("write", path.display()))
}

fn chart(plan: &Plan, looks: &[Look]) -> Timeline {
    let option = match plan.length {
        Length::Usual => "",
        Length::Full => " --full",
        Length::Short => " --short",
    };
    // Without the name of the backend, for which the line has no room.
    let about = format!("scripts/demo scale{option}: autoscale {}", plan.options()[2..].join(" "));
    let load = line("", 5, looks, |look| look.rate.round());
    // HAProxy's and autoscale's numbers differ for a moment only, so the wanted number is drawn below.
    let wanted = line("wanted", 1, looks, |look| look.wanted.unwrap_or(look.serving) as f64);
    let serving = line("serving", 0, looks, |look| look.serving as f64);
    Timeline {
        title: "Servers started and stopped by the traffic".to_owned(),
        about,
        panels: vec![
            Panel { name: "requests a second".to_owned(), steps: vec![load] },
            Panel { name: "servers".to_owned(), steps: vec![wanted, serving] },
        ],
    }
}

/// A line with a point for each change, at most one a second, and one at the end.
fn line(name: &str, colour: usize, looks: &[Look], value: impl Fn(&Look) -> f64) -> Steps {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for look in looks {
        let (at, now) = (look.at.as_secs_f64(), value(look));
        let is_new = points.last().is_none_or(|(last, known)| *known != now && at >= last + 1.0);
        if is_new {
            points.push((at, now));
        }
    }
    points.extend(looks.last().map(|look| (look.at.as_secs_f64(), value(look))));
    Steps { name: name.to_owned(), colour, points }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_line_has_a_point_for_each_change_and_one_at_the_end() {
        let look = |seconds, serving| Look { at: Duration::from_secs(seconds), serving, ..Look::default() };
        let looks = [look(0, 2), look(1, 2), look(2, 4), look(3, 4), look(9, 4)];
        let line = line("serving", 0, &looks, |look| look.serving as f64);
        assert_eq!(line.points, [(0.0, 2.0), (2.0, 4.0), (9.0, 4.0)]);
    }

    #[test]
    fn a_chart_goes_into_a_file_of_an_existing_directory() {
        assert!(check_file("chart.svg").is_ok());
        assert!(check_file("/tmp/chart.svg").is_ok());
        assert!(check_file("/tmp").is_err());
        assert!(check_file("/nowhere/chart.svg").is_err());
    }
}
