//! The tour's verdict: good unless an effect was late, a request failed or a session was lost.

use std::time::Duration;

use harness::traffic::load::Counts;

use crate::returning::Seen;

/// The results so far.
#[derive(Debug, Default)]
pub struct TourVerdict {
    effects: usize,
    faults: Vec<String>,
    counts: Counts,
    returning: Seen,
}

impl TourVerdict {
    /// Adds an effect: how long after its cause it came, if it did.
    pub fn effect(&mut self, text: &str, after: Option<Duration>, limit: Duration) {
        self.effects += 1;
        let limit_s = limit.as_secs_f64();
        match after {
            Some(after) if after <= limit => {}
            Some(after) => {
                let late = format!("after {:.2} s, not within {limit_s:.1} s: {text}", after.as_secs_f64());
                self.faults.push(late);
            }
            None => self.faults.push(format!("never seen: {text}")),
        }
    }

    /// Adds requests that count.
    pub fn requests(&mut self, counts: &Counts) {
        self.counts.add(counts);
    }

    /// Adds the results of the returning visitor.
    pub fn returning(&mut self, seen: &Seen) {
        self.returning = seen.clone();
    }

    /// True if every effect came in time, no request failed, and no session was lost.
    pub fn is_good(&self) -> bool {
        let visitor = &self.returning;
        self.faults.is_empty() && self.counts.failures() == 0 && visitor.failed == 0 && visitor.lost == 0
    }

    /// The verdict as text.
    pub fn lines(&self) -> Vec<String> {
        let visitor = &self.returning;
        let in_time = format!("{} of {} effects in time", self.effects - self.faults.len(), self.effects);
        let failed = match self.counts.failures() {
            0 => "0 failed".to_owned(),
            failures => format!("{failures} failed ({})", self.counts.failures_shown()),
        };
        let mut lines: Vec<String> = self.faults.iter().map(|fault| format!("FAULT  {fault}")).collect();
        lines.push(format!("effects    {in_time}"));
        lines.push(format!("requests   {} idempotent GETs, {failed}", self.counts.requests));
        lines.push(format!(
            "session    one visitor's counter went from 1 to {} across {} moves; lost {} times, {} failed",
            visitor.views, visitor.moves, visitor.lost, visitor.failed
        ));
        lines.push(format!("verdict    {}", if self.is_good() { "GOOD" } else { "BAD" }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::traffic::response::Failure;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn late_missing_or_failed_effects_make_a_bad_verdict() {
        assert!(TourVerdict::default().is_good());
        let judged = |judge: &dyn Fn(&mut TourVerdict)| {
            let mut verdict = TourVerdict::default();
            judge(&mut verdict);
            verdict.is_good()
        };
        assert!(judged(&|verdict| verdict.effect("x", Some(SECOND), SECOND)));
        assert!(!judged(&|verdict| verdict.effect("x", Some(SECOND * 2), SECOND)));
        assert!(!judged(&|verdict| verdict.effect("x", None, SECOND)));
        let failed = Counts { requests: 2, failed: [(Failure::Eof, 1)].into(), ..Counts::default() };
        assert!(!judged(&|verdict| verdict.requests(&failed)));
        assert!(!judged(&|verdict| verdict.returning(&Seen { lost: 1, ..Seen::default() })));
    }
}
