//! Finds the members that make a trial of all members fail, so that the others can go on without them.
//!
//! This is the half that opens nothing: a trial is a function of the members that take part. The search halves the
//! members, so it finds one culprit of ten thousand in some thirty trials. It assumes nothing about the trial: a
//! template may need a certain member, and two members may fail only together.

/// The result of a trial, or `None` if the search must end without a result.
pub(crate) type Trial<R> = Option<Result<(), R>>;

/// How many members are tried alone first. If each of them fails, no member is at fault.
const SAMPLE: usize = 16;
/// The most parts into which the members are divided to find a part that passes.
const PARTS_MAX: usize = 16;

/// A search among the members `0..count`.
pub(crate) struct Search<R, F> {
    count: usize,
    /// Why the trial of all members fails.
    all: R,
    trial: F,
    found: Vec<(usize, R)>,
}

impl<R: Clone + PartialEq, F: FnMut(&[usize]) -> Trial<R>> Search<R, F> {
    /// Begins a search. `all` is the reason why the trial of all members fails.
    pub(crate) fn new(count: usize, all: R, trial: F) -> Search<R, F> {
        Search { count, all, trial, found: Vec::new() }
    }

    /// The culprits, sorted, each with the reason why the trial fails with it. Without them the others pass together.
    ///
    /// The members in `likely` probably pass together. With `alone`, only a member that fails without the others is a
    /// culprit. Returns `None` if no member is at fault, or if a trial ends the search.
    pub(crate) fn culprits(mut self, likely: &[usize], alone: bool) -> Option<Vec<(usize, R)>> {
        let base = self.base(if alone { &[] } else { likely })?;
        let others: Vec<usize> =
            (0..self.count).filter(|member| base.binary_search(member).is_err()).collect();
        if base.is_empty() && !self.one_of_a_sample_passes(&others, likely)? {
            return None;
        }
        let mut kept = Vec::new();
        self.sift(&base, &others, true, &mut kept)?;
        if !kept.is_empty() && self.trial(&base, &kept)?.is_err() {
            if alone {
                return None;
            }
            self.add(&mut base.clone(), &kept)?;
        }
        self.found.sort_unstable_by_key(|(member, _)| *member);
        Some(self.found)
    }

    /// Tries two sets of members together.
    fn trial(&mut self, some: &[usize], more: &[usize]) -> Trial<R> {
        let mut members = [some, more].concat();
        if members.len() == self.count {
            return Some(Err(self.all.clone()));
        }
        members.sort_unstable();
        (self.trial)(&members)
    }

    /// Finds members that pass together: the likely ones, no member, or a part of all. Returns `None` if there are no
    /// such members, or if the trial fails without members for the same reason as with all.
    fn base(&mut self, likely: &[usize]) -> Option<Vec<usize>> {
        if !likely.is_empty() && likely.len() < self.count && self.trial(likely, &[])?.is_ok() {
            return Some(likely.to_vec());
        }
        match self.trial(&[], &[])? {
            Ok(()) => return Some(Vec::new()),
            Err(reason) if reason == self.all => return None,
            Err(_) => {}
        }
        let all: Vec<usize> = (0..self.count).collect();
        let count = self.count;
        for parts in [2, 4, 8, PARTS_MAX].into_iter().take_while(|parts| *parts < 2 * count) {
            let size = count.div_ceil(parts);
            for part in all.chunks(size) {
                if self.trial(part, &[])?.is_ok() {
                    return Some(part.to_vec());
                }
                let rest: Vec<usize> = all.iter().copied().filter(|member| !part.contains(member)).collect();
                if parts > 2 && self.trial(&rest, &[])?.is_ok() {
                    return Some(rest);
                }
            }
        }
        None
    }

    /// Whether at least one of a sample of members passes alone. True for a few members: the search tries each of them.
    fn one_of_a_sample_passes(&mut self, members: &[usize], likely: &[usize]) -> Option<bool> {
        if members.len() <= SAMPLE {
            return Some(true);
        }
        let spread =
            |of: &[usize]| of.iter().copied().step_by((of.len() / SAMPLE).max(1)).collect::<Vec<_>>();
        for member in [spread(likely), spread(members)].concat() {
            if self.trial(&[member], &[])?.is_ok() {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Adds the `members` that pass with `base` to `kept`, and the others to the culprits. With `fails` it is known
    /// that they fail together. Returns whether it found a culprit.
    fn sift(
        &mut self,
        base: &[usize],
        members: &[usize],
        fails: bool,
        kept: &mut Vec<usize>,
    ) -> Option<bool> {
        // A single member is tried in any case, because its reason is needed.
        if !fails || members.len() == 1 {
            match self.trial(base, members)? {
                Ok(()) => {
                    kept.extend(members);
                    return Some(false);
                }
                Err(reason) if members.len() == 1 => {
                    self.found.push((members[0], reason));
                    return Some(true);
                }
                Err(_) => {}
            }
        }
        let (left, right) = members.split_at(members.len() / 2);
        let left_fails = self.sift(base, left, false, kept)?;
        // If all of the left half pass, a culprit is in the right half.
        self.sift(base, right, !left_fails, kept).map(|right_fails| left_fails || right_fails)
    }

    /// Adds each of `members` that passes with `base` to it, and the others to the culprits.
    fn add(&mut self, base: &mut Vec<usize>, members: &[usize]) -> Option<()> {
        match self.trial(base, members)? {
            Ok(()) => base.extend(members),
            Err(reason) if members.len() == 1 => self.found.push((members[0], reason)),
            Err(_) => {
                let (left, right) = members.split_at(members.len() / 2);
                self.add(base, left)?;
                self.add(base, right)?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
