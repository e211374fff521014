//! What runs and what was done, as metrics: `--metrics`.
//!
//! A counter has all its series from the beginning, with 0: Prometheus sees no increase in a series that begins with 1.
//! What is not known is left out. docs/metrics.md explains each metric, and a test compares the names.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::failure::Code;
use common::servers_state::State;

use crate::haproxy::certificates::Expiry;
use crate::output::exposition::{Exposition, Kind, Label};
use crate::output::status::Status;
use crate::servers::reason_class::Class;
use crate::state::counters::{ChangeKind, Counters, OWN_NAME, Stage};

/// All states that a server can have.
const STATES: [State; 5] = [State::Up, State::Drain, State::Down, State::Maint, State::Parked];
/// The exit codes of a fault. That of a guard is none.
const FAULTS: [Code; 6] =
    [Code::Unforeseen, Code::Usage, Code::Input, Code::Files, Code::Haproxy, Code::Lock];
/// The programs with a guard.
const GUARDED: [&str; 2] = ["member-leave", "render-cfg"];

/// What the metrics are made from.
#[derive(Debug)]
pub(crate) struct Metrics<'m> {
    /// What earlier runs have done.
    pub(crate) counters: &'m Counters,
    /// When the last run began, and when the last run that succeeded ended.
    pub(crate) times: [Option<SystemTime>; 2],
    /// What runs; `None` if no HAProxy was found.
    pub(crate) status: Option<&'m Status>,
    /// The certificate that expires first.
    pub(crate) expiry: Option<&'m Expiry>,
    /// The recorded nodes by role; `None` if they are not to be counted, or cannot be read.
    pub(crate) nodes: Option<&'m BTreeMap<String, usize>>,
}

impl Metrics<'_> {
    /// The metrics in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let mut text = Exposition::default();
        self.add_times(&mut text);
        self.add_counters(&mut text);
        self.add_faults(&mut text);
        self.add_status(&mut text);
        self.add_numbers(&mut text);
        text.into_text()
    }

    fn add_times(&self, text: &mut Exposition) {
        let [attempt, success] =
            self.times.map(|time| time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()));
        let name = "last_attempt_timestamp_seconds";
        text.add(Kind::Gauge, name, "When reload-haproxy was started last", sample(attempt.map(seconds)));
        let name = "last_success_timestamp_seconds";
        let help = "When reload-haproxy last ended with a HAProxy that runs the file";
        text.add(Kind::Gauge, name, help, sample(success.map(seconds)));
    }

    fn add_counters(&self, text: &mut Exposition) {
        let Counters { changes, reloads, refusals, .. } = self.counters;
        let name = "changes_total";
        let help = "Changes of what HAProxy runs, by kind";
        text.add(Kind::Counter, name, help, counts("kind", changes, ChangeKind::ALL.map(ChangeKind::name)));
        let name = "reloads_total";
        let help = "Reloads, by the class of their reason";
        text.add(Kind::Counter, name, help, counts("reason", reloads, Class::ALL.map(Class::name)));
        let name = "refusals_total";
        let help = "Files that were not loaded, by what rejected them";
        text.add(Kind::Counter, name, help, counts("stage", refusals, Stage::ALL.map(Stage::name)));
    }

    fn add_faults(&self, text: &mut Exposition) {
        let count = |program: &str, code: Code| {
            let codes = self.counters.faults.get(program);
            codes.and_then(|codes| codes.get(&(code as u8))).copied().unwrap_or_default()
        };
        let help = "Runs in which a guard kept records or the configuration as they were, because too few nodes were left";
        let holds = GUARDED.map(|program| (vec![("program", program)], count(program, Code::Guard)));
        text.add(Kind::Counter, "guard_holds_total", help, holds);
        let programs = self.counters.faults.keys().map(String::as_str).filter(|program| *program != OWN_NAME);
        let codes = FAULTS.map(|code| (code as u8).to_string());
        let (codes, count) = (&codes, &count);
        let faults = programs.chain([OWN_NAME]).flat_map(|program| {
            FAULTS.iter().zip(codes).map(move |(code, number)| {
                (vec![("program", program), ("code", number.as_str())], count(program, *code))
            })
        });
        text.add(Kind::Counter, "faults_total", "Runs that failed, by program and exit code", faults);
    }

    fn add_status(&self, text: &mut Exposition) {
        let is_reached = self.status.is_some_and(|status| status.worker.is_some());
        let help = "1 if a worker of HAProxy answers";
        text.add(Kind::Gauge, "haproxy_reachable", help, sample(Some(u8::from(is_reached))));
        let is_in_use = self.status.is_some_and(|status| status.is_up_to_date);
        let help = "1 if HAProxy runs the configuration file as it is now";
        text.add(Kind::Gauge, "config_in_use", help, sample(Some(u8::from(is_in_use))));
        let states = STATES.map(|state| (state, state.to_string()));
        let servers = self.status.iter().flat_map(|status| &status.servers).flat_map(|(backend, counts)| {
            states.iter().map(move |(state, name)| {
                (
                    vec![("backend", backend.as_str()), ("state", name.as_str())],
                    counts.get(state).unwrap_or(&0),
                )
            })
        });
        text.add(Kind::Gauge, "servers", "Servers that HAProxy has, by backend and state", servers);
    }

    fn add_numbers(&self, text: &mut Exposition) {
        let nodes =
            self.nodes.into_iter().flatten().map(|(role, count)| (vec![("role", role.as_str())], count));
        text.add(Kind::Gauge, "nodes", "Recorded nodes, by role", nodes);
        let help = "When the first of the certificates that HAProxy uses expires";
        let expiry =
            self.expiry.map(|expiry| (vec![("certificate", expiry.name.as_str())], expiry.at.as_secs()));
        text.add(Kind::Gauge, "certificate_expiry_timestamp_seconds", help, expiry);
    }
}

/// A sample without labels, if there is one.
fn sample<'l, V>(value: Option<V>) -> Option<(Vec<Label<'l>>, V)> {
    value.map(|value| (Vec::new(), value))
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// A sample for each of `names`, and for each other name that an earlier version has counted.
fn counts<'c, const N: usize>(
    label: &'static str,
    counts: &'c BTreeMap<String, u64>,
    names: [&'c str; N],
) -> impl Iterator<Item = (Vec<Label<'c>>, u64)> {
    let others = counts.keys().map(String::as_str).filter(move |name| !names.contains(name));
    names
        .into_iter()
        .chain(others)
        .map(move |name| (vec![(label, name)], counts.get(name).copied().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: &str = include_str!("../../../docs/metrics.md");

    /// The text without a HAProxy, in which every counter has all its series.
    fn text(counters: &Counters) -> String {
        let nodes = [("backend".to_owned(), 2)].into();
        let expiry = Expiry { name: "/c".to_owned(), at: Duration::from_secs(9) };
        let times = [Some(UNIX_EPOCH + Duration::from_millis(1500)), None];
        let metrics = Metrics { counters, times, status: None, expiry: Some(&expiry), nodes: Some(&nodes) };
        metrics.text()
    }

    #[test]
    fn the_page_explains_each_metric_and_each_value_of_its_labels() {
        let text = text(&Counters::default());
        let names: BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        // Without a HAProxy and a success, these are left out.
        let left_out = ["rollcall_servers", "rollcall_last_success_timestamp_seconds"];
        let names: BTreeSet<&str> = names.into_iter().chain(left_out).collect();
        let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `rollcall_")?.split('`').next());
        let rows: Vec<String> = rows.map(|name| format!("rollcall_{name}")).collect();
        assert_eq!(rows.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
        let reasons = Class::ALL.map(|class| format!("\n| `{}` |", class.name()));
        reasons.iter().for_each(|row| assert!(PAGE.contains(row), "{row}"));
        let values = ChangeKind::ALL.map(ChangeKind::name).into_iter().chain(Stage::ALL.map(Stage::name));
        let states = STATES.map(|state| state.to_string());
        for value in values.chain(states.iter().map(String::as_str)) {
            assert!(PAGE.contains(&format!("`{value}`")), "{value}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out_and_what_did_not_happen_is_0() {
        let text = text(&Counters::default());
        for line in [
            "rollcall_last_attempt_timestamp_seconds 1.500",
            "rollcall_reloads_total{reason=\"lost_state\"} 0",
            "rollcall_faults_total{program=\"reload-haproxy\",code=\"5\"} 0",
            "rollcall_haproxy_reachable 0",
            "rollcall_config_in_use 0",
            "rollcall_nodes{role=\"backend\"} 2",
            "rollcall_certificate_expiry_timestamp_seconds{certificate=\"/c\"} 9",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!text.contains("last_success"), "{text}");
    }

    #[test]
    fn a_counter_of_another_version_is_kept() {
        let mut counters = Counters::default();
        counters.changes.insert("maps".to_owned(), 3);
        assert!(text(&counters).contains("rollcall_changes_total{kind=\"maps\"} 3\n"));
    }
}
