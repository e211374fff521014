//! Makes changes, several at once and each in its own thread, up to a number of changes or a time limit.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use harness::Result;
use harness::run::poll;

use crate::judging::random::Dice;
use crate::proofs::churn::change::{Change, Kind, Tally};
use crate::setups::backend_slot::BackendSlot;
use crate::setups::networked_balancer::NetworkedBalancer;

/// At least one in this many slots has a backend that serves and is not being changed.
const SERVING: usize = 3;
/// At most one in this many slots has a drained backend.
const DRAINED: usize = 5;
/// At most one in this many slots has a backend that is cut off.
const CUT: usize = 8;
/// The time limit of a change. If nothing is wrong, the longest ones (a leave or a move) take a dozen seconds.
const LONGEST: Duration = Duration::from_secs(60);
/// How long to wait for a change that is not possible yet because no backend is eligible.
const PATIENCE: Duration = Duration::from_secs(2);
/// After this time a backend that was cut off should be alive in Serf again: Serf reconnects every 30 s. But Serf
/// never reconnects to a member that it lists as left, which sometimes happens after a leave and a quick return. Such
/// a member has to join again, as the containers' `seeds` service does.
const HEALED: Duration = Duration::from_secs(45);

/// How many changes, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The maximum number.
    pub changes: usize,
    /// The time limit for all changes.
    pub time: Duration,
    /// The time from one change to the next.
    pub every: Duration,
    /// The longest time for which a link is cut.
    pub cut: Duration,
}

/// A backend that was cut off and is not alive in Serf again yet.
struct Healing {
    slot: BackendSlot,
    /// When its cut ended.
    since: Instant,
    /// When it has to join again.
    patience: Instant,
}

/// The changes in progress, and the counts of those that ended.
pub struct Engine {
    pace: Pace,
    places: usize,
    done: Sender<(BackendSlot, Change, Result<bool>)>,
    ended: Receiver<(BackendSlot, Change, Result<bool>)>,
    under_way: Tally,
    /// Backends that were cut off. They can change again once they are alive.
    healing: Vec<Healing>,
    /// Changes that were made, by kind.
    pub tally: Tally,
    /// Leaves that no member confirmed in time.
    pub unheard: usize,
    /// Backends that were cut off and had to join again.
    pub rejoined: usize,
    /// The longest time after a cut until a backend was alive in Serf again.
    pub healed: Duration,
    /// The most changes in progress at once.
    pub most: usize,
}

impl Engine {
    /// Makes the changes; calls `each` between them. When it returns, no change is in progress.
    pub fn run(
        site: &mut NetworkedBalancer,
        dice: &mut Dice,
        pace: Pace,
        mut each: impl FnMut(&mut NetworkedBalancer) -> Result<()>,
    ) -> Result<Engine> {
        let (done, ended) = mpsc::channel();
        let mut engine = Engine {
            pace,
            places: site.slots.len(),
            done,
            ended,
            under_way: BTreeMap::new(),
            healing: Vec::new(),
            tally: BTreeMap::new(),
            unheard: 0,
            rejoined: 0,
            healed: Duration::ZERO,
            most: 0,
        };
        let start = Instant::now();
        for number in 0..pace.changes {
            let due = start + pace.every * u32::try_from(number).unwrap_or(u32::MAX);
            poll::pass(due.saturating_duration_since(Instant::now()))?;
            if start.elapsed() > engine.pace.time {
                break;
            }
            each(site)?;
            engine.begin_next(site, dice)?;
        }
        engine.finish(site)?;
        Ok(engine)
    }

    /// Begins the drawn change as soon as it is possible. If it does not become possible for a while, draws another
    /// one.
    fn begin_next(&mut self, site: &mut NetworkedBalancer, dice: &mut Dice) -> Result<()> {
        let mut wanted = Change::next(dice, |_| true);
        let start = Instant::now();
        poll::try_until(LONGEST, "a slot without a change in progress", || {
            self.collect(site)?;
            if start.elapsed() > PATIENCE {
                wanted = Change::next(dice, |kind| self.is_possible(site, kind));
            }
            let Some(change) = wanted.filter(|change| self.is_possible(site, change.kind)) else {
                return Ok(None);
            };
            let fitting = (0..site.slots.len()).filter(|at| fits(&site.slots[*at], change.kind));
            let fitting: Vec<usize> = fitting.collect();
            let slot = site.slots.swap_remove(*dice.one_of(&fitting));
            self.begin(slot, change);
            Ok(Some(()))
        })
    }

    fn begin(&mut self, mut slot: BackendSlot, change: Change) {
        *self.under_way.entry(change.kind).or_default() += 1;
        *self.tally.entry(change.kind).or_default() += 1;
        self.most = self.most.max(self.under_way.values().sum());
        let (done, cut) = (self.done.clone(), self.pace.cut);
        std::thread::spawn(move || {
            let result = change.make(&mut slot, cut);
            // The receiver is gone only if the proof has already ended.
            let _ = done.send((slot, change, result));
        });
    }

    /// Whether a backend is eligible, and enough others serve.
    fn is_possible(&self, site: &NetworkedBalancer, kind: Kind) -> bool {
        let slots = &site.slots;
        let cut = self.under_way.get(&Kind::Cut).copied().unwrap_or(0) + self.healing.len();
        let drained = slots.iter().filter(|slot| slot.is_drained).count();
        let is_allowed = match kind {
            Kind::Join => true,
            Kind::Tag => drained * DRAINED <= self.places,
            Kind::Leave | Kind::Kill | Kind::Move => serving(site) * SERVING > self.places,
            Kind::Cut => cut * CUT < self.places && serving(site) * SERVING > self.places,
        };
        is_allowed && slots.iter().any(|slot| fits(slot, kind))
    }

    /// Takes back the slots whose change has ended.
    fn collect(&mut self, site: &mut NetworkedBalancer) -> Result<()> {
        while let Ok((slot, change, result)) = self.ended.try_recv() {
            *self.under_way.entry(change.kind).or_default() -= 1;
            self.unheard += usize::from(!result?);
            if change.kind == Kind::Cut {
                let since = Instant::now();
                self.healing.push(Healing { slot, since, patience: since + HEALED });
            } else {
                site.slots.push(slot);
            }
        }
        self.take_healed(site)
    }

    fn take_healed(&mut self, site: &mut NetworkedBalancer) -> Result<()> {
        if self.healing.is_empty() {
            return Ok(());
        }
        let members = site.members()?;
        let is_alive = |slot: &BackendSlot| {
            let whose = slot.whose().unwrap_or_default();
            members.iter().any(|member| member.name == whose && member.status == "alive")
        };
        let (back, away): (Vec<_>, Vec<_>) =
            self.healing.drain(..).partition(|one: &Healing| is_alive(&one.slot));
        self.healing = away;
        for one in back {
            self.healed = self.healed.max(one.since.elapsed());
            site.slots.push(one.slot);
        }
        for one in self.healing.iter_mut().filter(|one| one.patience < Instant::now()) {
            one.slot.rejoin()?;
            self.rejoined += 1;
            one.patience = Instant::now() + HEALED;
        }
        Ok(())
    }

    /// Waits until no change is in progress.
    fn finish(&mut self, site: &mut NetworkedBalancer) -> Result<()> {
        poll::try_until(LONGEST + HEALED * 3, "the last change", || {
            self.collect(site)?;
            Ok((site.slots.len() == self.places).then_some(()))
        })
    }

    /// The counts as text.
    pub fn shown(&self) -> String {
        let kinds = self.tally.iter().map(|(kind, count)| format!("{count} {}", kind.word()));
        kinds.collect::<Vec<_>>().join(", ")
    }
}

/// How many unaffected backends get requests. A backend that has just joined is not in service yet and does not
/// count: a change that takes the last ones out of service would prove nothing.
fn serving(site: &NetworkedBalancer) -> usize {
    let servers = site.servers().unwrap_or_default();
    let is_served =
        |name: &str| servers.iter().any(|server| server.name == name && server.is_up() && server.weight > 0);
    site.slots.iter().filter(|slot| slot.whose().is_ok_and(is_served)).count()
}

fn fits(slot: &BackendSlot, kind: Kind) -> bool {
    slot.backend.is_some() != (kind == Kind::Join)
}
