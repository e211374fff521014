//! Finds members that pass together, from which the search can begin.
//!
//! Usually no member is needed. But a template may need some to work at all: with `default_backend zone_a` HAProxy
//! rejects a file without a member in zone a.

use super::{Search, Trial};

/// The most parts into which the members are divided to find a part that passes.
const PARTS_MAX: usize = 16;
/// How many members are first tried alone, and how many at the end.
const SINGLES: [usize; 2] = [16, 64];
/// How many groups of members with one tag value are left out.
const GROUPS_MAX: usize = 32;

impl<R: Clone + PartialEq, F: FnMut(&[usize]) -> Trial<R>> Search<R, F> {
    /// Members that pass together: the likely ones, no member, or some of all. `None` if there are no such members, or
    /// if the trial fails without members for the same reason as with all.
    pub(super) fn base(&mut self, likely: &[usize]) -> Option<Vec<usize>> {
        if !likely.is_empty() && likely.len() < self.count && self.trial(likely, &[])?.is_ok() {
            return Some(likely.to_vec());
        }
        match self.trial(&[], &[])? {
            Ok(()) => return Some(Vec::new()),
            Err(reason) if reason == self.all => return None,
            Err(_) => {}
        }
        self.first_that_passes(likely)?
    }

    /// The first candidate that passes. The inner `None` means that none of them passes.
    fn first_that_passes(&mut self, likely: &[usize]) -> Option<Option<Vec<usize>>> {
        let all: Vec<usize> = (0..self.count).collect();
        let [few, more] = SINGLES;
        let halves = parts(&all, 2);
        let singles = [spread(likely, few), spread(&all, few)].concat();
        let without_groups = self.groups.iter().take(GROUPS_MAX).map(|group| without(&all, group));
        let mut candidates = [halves, singles, without_groups.collect()].concat();
        for count in [4, 8, PARTS_MAX] {
            let parts = parts(&all, count);
            candidates.extend(parts.iter().flat_map(|part| [part.clone(), without(&all, part)]));
        }
        candidates.extend(spread(&all, more));
        for candidate in candidates {
            if !candidate.is_empty() && self.trial(&candidate, &[])?.is_ok() {
                return Some(Some(candidate));
            }
        }
        Some(None)
    }
}

/// Divides the members into `count` parts, or into none if there are too few members.
fn parts(members: &[usize], count: usize) -> Vec<Vec<usize>> {
    if count >= 2 * members.len() {
        return Vec::new();
    }
    members.chunks(members.len().div_ceil(count)).map(<[usize]>::to_vec).collect()
}

fn without(members: &[usize], part: &[usize]) -> Vec<usize> {
    members.iter().copied().filter(|member| part.binary_search(member).is_err()).collect()
}

/// At most `count` single members from all over the list. The steps have the golden ratio: with equal steps, each one
/// might hit a culprit if every tenth member is one.
pub(super) fn spread(members: &[usize], count: usize) -> Vec<Vec<usize>> {
    const GOLDEN: usize = 40_503;
    if members.len() <= count {
        return members.iter().map(|member| vec![*member]).collect();
    }
    (0..count).map(|step| vec![members[(step * GOLDEN % 65_536) * members.len() / 65_536]]).collect()
}
