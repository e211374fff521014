//! The shares of a service's versions, as weights of its servers.
//!
//! A version's share is that of all its servers together. HAProxy knows only weights from 0 to 256 of single servers, so each version gets a sum of weights in proportion to its share, which its servers divide as evenly
//! as whole numbers allow.

/// The largest weight.
const WEIGHT_MAX: u64 = 256;

/// A server that gets new requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'m> {
    /// Its place in the list of all servers.
    pub(super) place: usize,
    /// Its version, if it announces one.
    pub(super) version: Option<&'m str>,
    /// Its own weight, which is compared only with those of its version. Not 0.
    pub(super) weight: u64,
}

/// The members of one version.
struct Version<'m> {
    share: u64,
    members: Vec<Member<'m>>,
    /// The sum of the members' own weights.
    sum: u64,
}

impl Version<'_> {
    /// The largest weight that one of its members would have if the sum of all versions' weights were the sum of their
    /// shares.
    fn largest(&self) -> f64 {
        let largest = self.members.iter().map(|member| member.weight).max().unwrap_or(0);
        self.share as f64 * largest as f64 / self.sum as f64
    }
}

/// The weight of each member, with its place. A member whose version has no share gets 0. `shares` has the share of each
/// version.
pub(super) fn weights(shares: &[(&str, u64)], members: &[Member]) -> Vec<(usize, u64)> {
    let mut weights: Vec<(usize, u64)> = members.iter().map(|member| (member.place, 0)).collect();
    let of_version = |(name, share): &(&str, u64)| {
        let members: Vec<Member> =
            members.iter().filter(|member| member.version == Some(*name)).copied().collect();
        let sum = members.iter().map(|member| member.weight).sum();
        Version { share: *share, members, sum }
    };
    let is_served = |version: &Version| version.share > 0 && version.sum > 0;
    let versions: Vec<Version> = shares.iter().map(of_version).filter(is_served).collect();
    let scale = scale(&versions);
    let mut found: Vec<(usize, u64)> = Vec::new();
    for version in &versions {
        found.extend(divided(version, total(version, scale)));
    }
    found.sort_unstable();
    for (place, weight) in &mut weights {
        if let Ok(at) = found.binary_search_by_key(place, |(place, _)| *place) {
            *weight = found[at].1;
        }
    }
    weights
}

/// What one unit of share is in weights: the factor, among those that give some server at least half of the largest
/// weight, with which the rounded sums are nearest to the shares.
fn scale(versions: &[Version]) -> f64 {
    let largest = versions.iter().map(Version::largest).fold(f64::MIN_POSITIVE, f64::max);
    let shares: u64 = versions.iter().map(|version| version.share).sum();
    let error = |scale: f64| {
        let all: u64 = versions.iter().map(|version| total(version, scale)).sum();
        let of = |version: &Version| {
            (total(version, scale) as f64 / all as f64 - version.share as f64 / shares as f64).abs()
        };
        versions.iter().map(of).fold(0.0, f64::max)
    };
    let scales = (WEIGHT_MAX / 2 + 1..=WEIGHT_MAX).rev().map(|weight| weight as f64 / largest);
    let first = WEIGHT_MAX as f64 / largest;
    scales
        .fold((first, error(first)), |best, scale| {
            // A larger weight is only given up for a gain that is more than an error of the arithmetic.
            let error = error(scale);
            if error < best.1 - 1e-9 { (scale, error) } else { best }
        })
        .0
}

/// The sum of the weights of a version. It is at least 1: a share above 0 is never none.
fn total(version: &Version, scale: f64) -> u64 {
    ((version.share as f64 * scale).round() as u64).max(1)
}

/// Divides the sum among the members, in proportion to their own weights. What is left by rounding down goes to those
/// that lost most of it, the first ones first.
fn divided(version: &Version, total: u64) -> Vec<(usize, u64)> {
    let part = |member: &Member| (total * member.weight / version.sum, total * member.weight % version.sum);
    let mut parts: Vec<(usize, u64, u64)> =
        version.members.iter().map(|member| (member.place, part(member).0, part(member).1)).collect();
    let left = total - parts.iter().map(|(_, weight, _)| weight).sum::<u64>();
    parts.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
    parts.iter_mut().take(left as usize).for_each(|(_, weight, _)| *weight += 1);
    parts.into_iter().map(|(place, weight, _)| (place, weight.min(WEIGHT_MAX))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weights of `counts` servers of versions v0, v1, ..., which have these shares.
    fn of(shares: &[u64], counts: &[usize]) -> Vec<Vec<u64>> {
        let names: Vec<String> = (0..shares.len()).map(|number| format!("v{number}")).collect();
        let versions = names.iter().zip(counts).flat_map(|(name, count)| vec![name.as_str(); *count]);
        let members: Vec<Member> = versions
            .enumerate()
            .map(|(place, version)| Member { place, version: Some(version), weight: 1 })
            .collect();
        let pairs: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(shares.iter().copied()).collect();
        let weights = weights(&pairs, &members);
        let mut start = 0;
        let mut groups = Vec::new();
        for count in counts {
            groups.push(weights[start..start + count].iter().map(|(_, weight)| *weight).collect());
            start += count;
        }
        groups
    }

    #[test]
    fn shares_hold_whatever_the_number_of_servers() {
        let cases: [([usize; 2], f64); 5] =
            [([1, 1], 0.0), ([9, 1], 0.0), ([1, 9], 0.002), ([10, 3], 0.001), ([1, 200], 0.02)];
        for (counts, most) in cases {
            for shares in [[90, 10], [99, 1], [50, 50], [1, 2]] {
                let groups = of(&shares, &counts);
                let sums: Vec<f64> = groups.iter().map(|group| group.iter().sum::<u64>() as f64).collect();
                let got = sums[1] / (sums[0] + sums[1]);
                let wanted = shares[1] as f64 / (shares[0] + shares[1]) as f64;
                assert!((got - wanted).abs() <= most.max(0.0025), "{counts:?} {shares:?}: {got} {groups:?}");
                assert!(groups.iter().flatten().all(|weight| *weight <= WEIGHT_MAX));
                let spread = |group: &Vec<u64>| group.iter().max().unwrap() - group.iter().min().unwrap();
                assert!(groups.iter().all(|group| spread(group) <= 1), "{groups:?}");
            }
        }
    }

    #[test]
    fn the_error_is_below_three_in_a_thousand_for_ten_servers_each() {
        for counts in (1..=10).flat_map(|a| (1..=10).map(move |b| [a, b])) {
            for share in 1..=99 {
                let groups = of(&[share, 100 - share], &counts);
                let sums: Vec<u64> = groups.iter().map(|group| group.iter().sum()).collect();
                let got = sums[0] as f64 / (sums[0] + sums[1]) as f64;
                assert!((got - share as f64 / 100.0).abs() < 0.003, "{counts:?} {share}: {got}");
            }
        }
    }

    #[test]
    fn a_share_of_none_gets_none_and_a_small_one_is_never_none() {
        assert_eq!(of(&[100, 0], &[2, 2]), [[256, 256], [0, 0]]);
        assert_eq!(
            of(&[100, 50], &[2, 0])[0],
            [256, 256],
            "the share of a version without servers goes to the others"
        );
        assert_eq!(of(&[1_000_000, 1], &[1, 1]), [[256], [1]]);
        assert_eq!(of(&[0, 0], &[1, 1]), [[0], [0]]);
        assert_eq!(of(&[90, 10], &[1, 1]), [[252], [28]], "the largest weights with an exact share");
    }

    #[test]
    fn own_weights_count_within_a_version_and_others_get_none() {
        let member = |place, version, weight| Member { place, version, weight };
        let members =
            [member(0, Some("a"), 1), member(2, Some("a"), 3), member(3, Some("b"), 100), member(5, None, 1)];
        assert_eq!(weights(&[("a", 50), ("b", 50)], &members), [(0, 64), (2, 192), (3, 256), (5, 0)]);
        assert!(weights(&[], &[]).is_empty());
    }
}
