//! How long render-cfg and other renderers take for the same text, measured in turn.

use std::fs;
use std::time::Duration;

use harness::Result;
use harness::chart::{Bar, Bars, Chart, Unit, grouped};

use crate::bench::Bench;
use crate::measures::member_events::joining;
use crate::measures::others::dialect::Subject;
use crate::measures::others::renderers;
use crate::measures::others::renderers::{OURS, Renderer};
use crate::results::figures::{Figures, Table};
use crate::results::report::{Figure, Report};
use crate::results::sampling::{median, ratio};
use crate::results::timed_run::system;
use crate::setups::node_records::NodeRecords;

/// For each size: the number of nodes, the repetitions, and the limit of render-cfg's time as a multiple of
/// minijinja-cli's.
const SIZES: [(usize, usize, Option<f64>); 2] = [(1_000, 30, Some(2.0)), (10_000, 10, None)];
/// The position of minijinja-cli among the other renderers.
const MINIJINJA: usize = 0;

const WARM_UP: usize = 2;

/// A program's name, whether it is render-cfg, and the median of its times if it is installed.
struct Timed {
    name: String,
    is_ours: bool,
    took: Option<Duration>,
}

/// Measures all sizes: rows, a chart for each size, and a table.
pub fn measure(bench: &Bench, report: &mut Report, figures: &mut Figures) -> Result<()> {
    let mut columns = Vec::new();
    for (count, full, at_most) in SIZES {
        let n = bench.rounds(full, 3);
        let timed = render(bench, count, n)?;
        let shown = grouped(count as u64);
        for Timed { name, took, .. } in &timed {
            match took {
                Some(took) => report.row(&format!("{name}, {shown} nodes"), Figure::Time(*took), None, n),
                None => report.note(&format!("{name}, {shown} nodes: nothing measured")),
            }
        }
        if let (Some(ours), Some(theirs)) = (timed[0].took, timed[OURS + MINIJINJA].took) {
            let what = format!("render-cfg : minijinja-cli, {shown} nodes");
            report.row(&what, Figure::Ratio(ratio(ours, theirs)), at_most.map(Figure::Ratio), n);
        }
        figures.charts.insert(format!("rendering-{count}"), chart(&timed, &shown));
        columns.push(timed);
    }
    figures.tables.insert("rendering".to_owned(), table(&columns));
    Ok(())
}

/// Measures all renderers, each once in each round.
fn render(bench: &Bench, count: usize, n: usize) -> Result<Vec<Timed>> {
    let directory = bench.run.join(&format!("others-{count}"));
    let mut pool = NodeRecords::fill(&directory.join("nodes"), count)?;
    let reference = directory.join("reference.cfg");
    renderers::shipped(&pool.nodes, &reference)?.time(None)?;
    let text = fs::read_to_string(&reference).map_err(system("read", &reference))?;
    let subject = Subject::new(&directory, text, &pool.nodes)?;
    let mut all: Vec<Renderer> = renderers::ours(&subject, &pool.nodes, &directory)?.into();
    all.extend(renderers::others(&subject)?);
    all.iter_mut().try_for_each(|renderer| renderer.compare(&subject))?;
    let mut join = joining(&pool)?;
    let mut times = vec![Vec::new(); all.len()];
    for round in 0..WARM_UP + n {
        // A record changes in each round, because a program that writes to a file skips the write if nothing has
        // changed.
        join.time(Some(&pool.change()))?;
        for (renderer, times) in all.iter_mut().zip(&mut times) {
            let Some(step) = &mut renderer.step else { continue };
            let took = step.time(None)?;
            if round >= WARM_UP {
                times.push(took);
            }
        }
    }
    let timed = |(renderer, times): (Renderer, Vec<Duration>)| Timed {
        name: renderer.name,
        is_ours: renderer.is_ours,
        took: (!times.is_empty()).then(|| median(times)),
    };
    Ok(all.into_iter().zip(times).map(timed).collect())
}

fn table(columns: &[Vec<Timed>]) -> Table {
    let heads: Vec<String> =
        SIZES.iter().map(|(count, ..)| format!("{} nodes", grouped(*count as u64))).collect();
    let mut table = Table::new(&["", &heads[0], &heads[1]]);
    let shown = |took: Option<Duration>| {
        took.map_or("–".to_owned(), |took| Unit::Seconds.shown(took.as_secs_f64()))
    };
    for (first, second) in columns[0].iter().zip(&columns[1]) {
        table.row([first.name.clone(), shown(first.took), shown(second.took)]);
    }
    table
}

fn chart(timed: &[Timed], shown: &str) -> Chart {
    let bar = |timed: &Timed| {
        Some(Bar { name: timed.name.clone(), value: timed.took?.as_secs_f64(), is_ours: timed.is_ours })
    };
    Chart::Bars(Bars {
        title: format!("Rendering haproxy.cfg for {shown} nodes"),
        about: "Whole program, median. render-cfg reads a file for each node, the others one file with all."
            .to_owned(),
        unit: Unit::Seconds,
        bars: timed.iter().filter_map(bar).collect(),
    })
}
