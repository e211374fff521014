//! Finds the members that make a trial of all members fail, so that the others can go on without them.
//!
//! This is the half that opens nothing: a trial is a function of the members that take part. The search halves the
//! members, so it finds one culprit of ten thousand in some thirty trials. It assumes nothing about the trial: a
//! template may need a certain member, and two members may fail only together.

mod base;

use base::spread;

/// The result of a trial, or `None` if the search must end without a result.
pub(crate) type Trial<R> = Option<Result<(), R>>;

/// How many members are tried alone first. If each of them fails, no member is at fault.
const SAMPLE: usize = 16;

/// A search among the members `0..count`.
pub(crate) struct Search<R, F> {
    count: usize,
    /// Why the trial of all members fails.
    all: R,
    trial: F,
    /// Members with something in common, which are probably culprits together. Each group is sorted.
    groups: Vec<Vec<usize>>,
    found: Vec<(usize, R)>,
}

impl<R: Clone + PartialEq, F: FnMut(&[usize]) -> Trial<R>> Search<R, F> {
    /// Begins a search. `all` is the reason why the trial of all members fails.
    pub(crate) fn new(count: usize, all: R, trial: F) -> Search<R, F> {
        Search { count, all, trial, groups: Vec::new(), found: Vec::new() }
    }

    /// Adds groups of members that are probably culprits together, the most probable ones first. Each one is sorted.
    pub(crate) fn with_groups(mut self, groups: Vec<Vec<usize>>) -> Search<R, F> {
        self.groups = groups;
        self
    }

    /// The culprits, sorted, each with the reason why the trial fails with it. Without them the others pass together.
    ///
    /// The members in `likely` probably pass together. With `alone`, only a member that fails without the others is a
    /// culprit. Returns `None` if no member is at fault, or if a trial ends the search. Both lists are sorted.
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
        if self.are_most_culprits(likely) && self.most_culprits_pass_alone()? {
            return None;
        }
        Some(self.found)
    }

    /// Whether most of the likely members, or of all if none is likely, are culprits.
    fn are_most_culprits(&self, likely: &[usize]) -> bool {
        if likely.is_empty() {
            return self.found.len() * 2 > self.count;
        }
        self.found.iter().filter(|(member, _)| likely.binary_search(member).is_ok()).count() * 2
            > likely.len()
    }

    /// Whether most of a sample of the culprits pass alone, so that they fail only because of each other. That is a
    /// mistake in the template, such as one name for all servers.
    fn most_culprits_pass_alone(&mut self) -> Option<bool> {
        let culprits: Vec<usize> = self.found.iter().map(|(member, _)| *member).collect();
        let sample = spread(&culprits, SAMPLE);
        let mut passed = 0;
        for single in &sample {
            passed += usize::from(self.trial(single, &[])?.is_ok());
        }
        Some(passed * 2 > sample.len())
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

    /// Whether at least one of a sample of members passes alone. True for a few members: the search tries each of them.
    fn one_of_a_sample_passes(&mut self, members: &[usize], likely: &[usize]) -> Option<bool> {
        if members.len() <= SAMPLE {
            return Some(true);
        }
        for single in [spread(likely, SAMPLE), spread(members, SAMPLE)].concat() {
            if self.trial(&single, &[])?.is_ok() {
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
