use super::*;

/// Searches among `count` members. The trial fails with the number of the first member that `is_bad`, after `needed`.
fn search(
    count: usize,
    likely: &[usize],
    judge: impl Fn(&[usize]) -> Result<(), &'static str>,
) -> (Option<Vec<usize>>, usize) {
    let mut trials = 0;
    let all: Vec<usize> = (0..count).collect();
    let reason = judge(&all).expect_err("the trial of all members fails");
    let search = Search::new(count, reason, |members: &[usize]| {
        trials += 1;
        assert!(members.is_sorted(), "members keep their order");
        Some(judge(members))
    });
    let found = search.culprits(likely, false);
    (found.map(|found| found.into_iter().map(|(member, _)| member).collect()), trials)
}

fn without(bad: &[usize]) -> impl Fn(&[usize]) -> Result<(), &'static str> + use<'_> {
    |members| if members.iter().any(|member| bad.contains(member)) { Err("bad") } else { Ok(()) }
}

#[test]
fn every_culprit_is_found_wherever_it_is() {
    for count in 2..20 {
        for bad in 0..(1_u32 << count.min(10)) - 1 {
            let bad: Vec<usize> = (0..count).filter(|member| bad >> member & 1 == 1).collect();
            if !bad.is_empty() {
                assert_eq!(search(count, &[], without(&bad)).0, Some(bad));
            }
        }
    }
}

#[test]
fn one_culprit_of_ten_thousand_costs_few_trials() {
    for bad in [0, 1, 4_999, 5_000, 9_999] {
        let (found, trials) = search(10_000, &[], without(&[bad]));
        assert_eq!(found, Some(vec![bad]));
        assert!(trials < 40, "{trials}");
    }
}

#[test]
fn a_fault_without_members_is_not_a_members() {
    let (found, trials) = search(10_000, &[], |_| Err("the template"));
    assert_eq!((found, trials), (None, 1));
}

#[test]
fn if_each_of_a_sample_fails_alone_the_fault_is_not_a_members() {
    let (found, trials) = search(10_000, &[], |members| if members.is_empty() { Ok(()) } else { Err("bad") });
    assert_eq!(found, None);
    assert!(trials < 20, "{trials}");
}

#[test]
fn a_template_that_needs_a_member_does_not_hide_a_culprit() {
    // As `default_backend zone_a` does: without a member in this zone HAProxy rejects the file.
    for (count, needed, bad) in [(3, 1, 0), (3, 2, 1), (100, 99, 0), (100, 0, 99), (100, 50, 49)] {
        let judge = |members: &[usize]| match (members.contains(&bad), members.contains(&needed)) {
            (true, _) => Err("bad"),
            (false, false) => Err("missing"),
            (false, true) => Ok(()),
        };
        assert_eq!(search(count, &[], judge).0, Some(vec![bad]), "{count} {needed} {bad}");
    }
}

#[test]
fn of_two_members_that_fail_only_together_the_second_one_is_left_out() {
    let judge = |members: &[usize]| match members.iter().filter(|member| [3, 7].contains(member)).count() {
        2 => Err("twice"),
        _ => Ok(()),
    };
    assert_eq!(search(10, &[], judge).0, Some(vec![7]));
}

#[test]
fn if_most_members_fail_only_because_of_each_other_none_is_a_culprit() {
    let judge = |members: &[usize]| if members.len() > 1 { Err("one name for all") } else { Ok(()) };
    assert_eq!(search(10, &[], judge).0, None);
    assert_eq!(search(2, &[], judge).0, Some(vec![1]), "one of both");
    // As before, but a text without members fails for another reason.
    let judge = |members: &[usize]| if members.is_empty() { Err("missing") } else { judge(members) };
    assert_eq!(search(10, &[], judge).0, None);
    // Many new members that have the name of one that is likely do not stop the likely ones.
    let judge =
        |members: &[usize]| match members.iter().filter(|member| **member == 0 || **member > 3).count() {
            0 | 1 => Ok(()),
            _ => Err("same name"),
        };
    assert_eq!(search(10, &[0, 1, 2, 3], judge).0, Some((4..10).collect()));
}

#[test]
fn members_that_fail_only_together_are_not_culprits_if_each_must_fail_alone() {
    let judge = |members: &[usize]| if members.len() > 5 { Err("many") } else { Ok(()) };
    let search = Search::new(10, "many", |members: &[usize]| Some(judge(members)));
    assert_eq!(search.culprits(&[0, 1], true), None);
}

#[test]
fn likely_members_save_trials() {
    let bad = [4, 900];
    let likely: Vec<usize> = (0..1000).filter(|member| !bad.contains(member)).collect();
    let (found, trials) = search(1000, &likely, without(&bad));
    assert_eq!(found, Some(bad.to_vec()));
    assert!(trials < 6, "{trials}");
    assert_eq!(search(1000, &[4, 5], without(&bad)).0, Some(bad.to_vec()), "a wrong guess does no harm");
}

#[test]
fn a_trial_can_end_the_search() {
    let search = Search::new(10, "bad", |members: &[usize]| (members.len() != 5).then_some(Err("other")));
    assert_eq!(search.culprits(&[], false), None);
}

#[test]
fn a_few_good_members_are_found_among_many_culprits() {
    let bad: Vec<usize> = (0..2000).filter(|member| member % 400 != 399).collect();
    assert_eq!(search(2000, &[399], without(&bad)).0, Some(bad.clone()));
    let judge = without(&bad);
    let found =
        Search::new(2000, "bad", |members: &[usize]| Some(judge(members))).culprits(&[399, 799], true);
    assert_eq!(found.map(|found| found.len()), Some(bad.len()));
}

/// As `default_backend zone_a` does: HAProxy rejects a file without a good member in this zone, for another reason.
fn with_a_needed_zone(
    is_bad: impl Fn(usize) -> bool,
    zone: impl Fn(usize) -> bool,
) -> impl Fn(&[usize]) -> Result<(), &'static str> {
    move |members| match (members.iter().any(|m| is_bad(*m)), members.iter().any(|m| zone(*m))) {
        (true, _) => Err("bad"),
        (false, false) => Err("missing"),
        (false, true) => Ok(()),
    }
}

#[test]
fn a_template_that_needs_a_member_does_not_hide_many_culprits() {
    for (count, every) in [(20, 2), (32, 3), (33, 3), (100, 10), (200, 10), (1000, 10), (160, 16)] {
        for offset in 0..every {
            let is_bad = |member: usize| member % every == offset;
            let (found, trials) = search(count, &[], with_a_needed_zone(is_bad, |m| !is_bad(m)));
            let bad: Vec<usize> = (0..count).filter(|member| is_bad(*member)).collect();
            assert_eq!(found, Some(bad), "{count} {every} {offset}");
            assert!(trials < 1000, "{trials}");
        }
    }
}

#[test]
fn members_with_something_in_common_are_left_out_together() {
    // Both of two members are needed, and every part of the members has a culprit.
    let is_bad = |member: usize| member.is_multiple_of(5);
    let judge = |members: &[usize]| match (members.iter().any(|m| is_bad(*m)), members) {
        (true, _) => Err("bad"),
        (false, members) if members.contains(&1) && members.contains(&98) => Ok(()),
        (false, _) => Err("missing"),
    };
    let bad: Vec<usize> = (0..100).filter(|member| is_bad(*member)).collect();
    assert_eq!(search(100, &[], judge).0, None);
    let search = Search::new(100, "bad", |members: &[usize]| Some(judge(members)))
        .with_groups(vec![vec![2, 3], bad.clone()]);
    let found =
        search.culprits(&[], false).map(|found| found.into_iter().map(|(member, _)| member).collect());
    assert_eq!(found, Some(bad));
}

#[test]
fn a_template_that_fails_with_each_member_costs_a_limited_number_of_trials() {
    let judge = |members: &[usize]| if members.is_empty() { Err("missing") } else { Err("bad") };
    let (found, trials) = search(10_000, &[], judge);
    assert_eq!(found, None);
    assert!(trials < 200, "{trials}");
}
