//! The plan of `demo scale`: the load over time, the servers, and the options of autoscale.
//!
//! The numbers keep clear of the edges of the formula. At the peak, 112 requests a second of 0.5 s each are 56 sessions.
//! That is not near a whole number of servers, and the next lower number is outside of the tolerance.

use std::time::Duration;

/// How long the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// At most two minutes, with shortened windows.
    Usual,
    /// About ten minutes, with autoscale's default windows.
    Full,
    /// Under a minute, for the tests.
    Short,
}

/// A part of the plan, in which the load goes from one rate to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What happens, as the table says it.
    pub what: String,
    /// How long it takes. The last phase may end sooner.
    pub time: Duration,
    /// Requests a second when it begins.
    pub from: f64,
    /// Requests a second when it ends.
    pub to: f64,
}

/// The plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long it is.
    pub length: Length,
    /// How long each web server takes for an answer.
    pub delay: Duration,
    /// Sessions per server.
    pub target: u32,
    /// The fewest servers.
    pub min: u32,
    /// The most servers.
    pub max: u32,
    /// The options that shorten autoscale's windows.
    pub windows: &'static [&'static str],
    /// The phases: steady, rising, held, falling, and until the servers have gone again.
    pub phases: [Phase; 5],
}

/// Requests a second at first and in the end.
pub const QUIET: f64 = 14.0;
/// Requests a second at the peak: eight times as many.
pub const PEAK: f64 = 8.0 * QUIET;

impl Plan {
    /// The plan of that length.
    pub fn new(length: Length) -> Plan {
        let (target, times, windows): (_, _, &[&str]) = match length {
            Length::Usual => (10, [10, 10, 35, 5, 75], &WINDOWS),
            Length::Full => (10, [30, 10, 80, 10, 720], &[]),
            Length::Short => (15, [2, 3, 15, 2, 45], &SHORTEST_WINDOWS),
        };
        let delay = Duration::from_millis(500);
        Plan { length, delay, target, min: 2, max: 10, windows, phases: phases(times) }
    }

    /// autoscale's options.
    pub fn options(&self) -> Vec<String> {
        let limits = [("--target", self.target), ("--min", self.min), ("--max", self.max)];
        let limits = limits.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()]);
        let windows = self.windows.iter().map(|word| (*word).to_owned());
        ["--backend", "nodes"].map(str::to_owned).into_iter().chain(limits).chain(windows).collect()
    }

    /// The phase at a time since the load began, and the rate then. `None` after the end.
    pub fn at(&self, elapsed: Duration) -> Option<(usize, f64)> {
        let mut begin = Duration::ZERO;
        for (number, phase) in self.phases.iter().enumerate() {
            if elapsed < begin + phase.time {
                let part = (elapsed - begin).as_secs_f64() / phase.time.as_secs_f64();
                return Some((number, phase.from + part * (phase.to - phase.from)));
            }
            begin += phase.time;
        }
        None
    }

    /// A row of the table is printed at least this often.
    pub fn rows_every(&self) -> Duration {
        Duration::from_secs(if self.length == Length::Full { 20 } else { 5 })
    }

    /// The servers that so many sessions need, by autoscale's formula without damping.
    pub fn servers_for(&self, sessions: f64) -> u64 {
        let wish = (sessions / f64::from(self.target)).ceil();
        wish.clamp(f64::from(self.min), f64::from(self.max)) as u64
    }
}

const WINDOWS: [&str; 6] = ["--up-period", "5s", "--down-window", "10s", "--down-period", "3s"];
const SHORTEST_WINDOWS: [&str; 6] = ["--up-period", "2s", "--down-window", "8s", "--down-period", "1s"];
/// The phases whose numbers others need.
pub const HELD: usize = 2;
/// The last phase.
pub const EBB: usize = 4;

fn phases(seconds: [u64; 5]) -> [Phase; 5] {
    let [steady, rise, held, fall, ebb] = seconds;
    let phase = |what: String, time, from, to| Phase { what, time: Duration::from_secs(time), from, to };
    [
        phase(format!("the load begins: {QUIET} requests a second"), steady, QUIET, QUIET),
        phase(format!("the load rises to {PEAK} requests a second within {rise} s"), rise, QUIET, PEAK),
        phase(format!("the load stays at {PEAK} requests a second"), held, PEAK, PEAK),
        phase(format!("the load falls to {QUIET} requests a second within {fall} s"), fall, PEAK, QUIET),
        phase(format!("the load stays at {QUIET} requests a second"), ebb, QUIET, QUIET),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_eight_times_as_high_within_ten_seconds_and_comes_back() {
        for length in [Length::Usual, Length::Full, Length::Short] {
            let plan = Plan::new(length);
            assert!(plan.phases[1].time <= Duration::from_secs(10));
            assert_eq!(plan.at(Duration::ZERO), Some((0, QUIET)));
            let held = plan.phases[0].time + plan.phases[1].time;
            assert_eq!(plan.at(held), Some((HELD, PEAK)));
            let (phase, rate) = plan.at(held - plan.phases[1].time / 2).unwrap();
            assert_eq!((phase, rate), (1, (QUIET + PEAK) / 2.0));
            let end: Duration = plan.phases.iter().map(|phase| phase.time).sum();
            assert_eq!(plan.at(end - Duration::from_millis(1)), Some((EBB, QUIET)));
            assert_eq!(plan.at(end), None);
        }
    }

    #[test]
    fn the_formula_stays_within_its_bounds() {
        let plan = Plan::new(Length::Usual);
        assert_eq!([0.0, 20.0, 56.0, 60.1, 1e9].map(|sessions| plan.servers_for(sessions)), [2, 2, 6, 7, 10]);
    }

    #[test]
    fn the_full_run_keeps_the_default_windows() {
        assert!(Plan::new(Length::Full).options().iter().all(|option| !option.contains("window")));
        let usual = Plan::new(Length::Usual).options().join(" ");
        assert!(usual.starts_with("--backend nodes --target 10 --min 2 --max 10 --up-period 5s"), "{usual}");
    }
}
