//! Tests of finding the tier of every test.

use super::unit::{made, tier, told};
use super::*;
use insta::assert_snapshot;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tollgate_model::{Partition, Plan, TestId, TierName};

/// A listing of `unit` and `e2e`; every other tier lists the same tests and selects none.
fn lists(tests: &[TestId], belongs: impl Fn(&TestId, &str) -> bool) -> BTreeMap<TierName, Listed> {
    let list = |name: &str| {
        let (matched, other) = tests.iter().cloned().partition(|test| belongs(test, name));
        (tier(name), Listed { matched, other, ..Listed::default() })
    };
    ["unit", "e2e", "performance"].map(list).into()
}

fn tests(count: usize) -> Vec<TestId> {
    (0..count).map(|number| TestId::new("chat", format!("t{number:02}"))).collect()
}

#[test]
fn each_test_goes_to_its_tier_and_ignored_ones_to_none() {
    let plan = made(&Request { tiers: vec![tier("unit"), tier("e2e")], ..Request::default() });
    let mut listed = lists(&tests(4), |test, tier| tier == if test.name == "t00" { "e2e" } else { "unit" });
    let ignored = TestId::new("chat", "ignored");
    for list in listed.values_mut() {
        list.ignored.push(ignored.clone());
        list.matched.reverse();
        list.matched.extend(list.matched.clone());
    }
    listed.get_mut("e2e").unwrap().other.push(ignored);
    let assigned = assign(&plan, &listed).unwrap().tests;
    let names = |name: &str| assigned[name].iter().map(|test| test.name.as_str()).collect::<Vec<_>>();
    assert_eq!((names("unit"), names("e2e"), assigned.len()), (vec!["t01", "t02", "t03"], vec!["t00"], 2));
}

#[test]
fn tests_in_no_tier_or_in_two_are_named_up_to_a_bound() {
    let plan = made(&Request::default());
    let place = |test: &TestId, tier: &str| match test.name.as_str() {
        "t00" => true,
        "t01" => tier == "unit",
        "t02" => tier == "e2e",
        "t03" => tier == "performance",
        _ => false,
    };
    assert_snapshot!(told(&assign(&plan, &lists(&tests(5), place)).unwrap_err()), @r#"
    chat t04 is in no tier
    chat t00 (unit, e2e, performance) is in more than one tier
    hint: widen the filter of a tier in ci/tollgate.toml, for example by `+ binary_id(chat)`
    hint: narrow the filter of one of the tiers in ci/tollgate.toml, for example by `- test(=t00)`
    "#);
    assert_snapshot!(told(&assign(&plan, &lists(&tests(16), place)).unwrap_err()), @r#"
    12 tests are in no tier:
      chat t04
      chat t05
      chat t06
      chat t07
      chat t08
      chat t09
      chat t10
      chat t11
      chat t12
      chat t13
      and 2 more
    chat t00 (unit, e2e, performance) is in more than one tier
    hint: widen the filter of a tier in ci/tollgate.toml, for example by `+ binary_id(chat)`
    hint: narrow the filter of one of the tiers in ci/tollgate.toml, for example by `- test(=t00)`
    "#);
}

#[test]
fn a_binary_that_no_tier_asks_is_named_even_though_its_tests_are_unknown() {
    let plan = made(&Request { tiers: vec![tier("unit")], ..Request::default() });
    let mut listed = lists(&tests(2), |_, tier| tier == "unit");
    for (name, list) in &mut listed {
        list.unlisted_binaries = vec!["chat::other".to_owned(), format!("chat::not-{name}")];
    }
    assert_snapshot!(told(&assign(&plan, &listed).unwrap_err()), @r#"
    test binary chat::other is in no tier
    hint: widen the filter of a tier in ci/tollgate.toml, for example by `+ binary_id(chat::other)`
    "#);
    let only = made(&Request { only: Some("test(x)".to_owned()), ..Request::default() });
    assert!(assign(&only, &listed).is_ok());
}

#[test]
fn a_tier_without_a_test_is_a_mistake_unless_only_a_part_was_asked_for() {
    let listed = lists(&tests(2), |_, tier| tier == "unit");
    assert_snapshot!(told(&assign(&made(&Request::default()), &listed).unwrap_err()), @r#"
    tier `e2e` has no test: nothing matches `binary(e2e)`
    tier `performance` has no test: nothing matches `binary(load)`
    hint: correct `filter` in `[tiers.e2e]` of ci/tollgate.toml, or remove the tier
    hint: correct `filter` in `[tiers.performance]` of ci/tollgate.toml, or remove the tier
    "#);
    let part = Request { partition: Some(Partition { index: 1, count: 2 }), ..Request::default() };
    assert_eq!(assign(&made(&part), &listed).unwrap().tests["e2e"], []);
    let only = Request { only: Some("test(t0)".to_owned()), ..Request::default() };
    assert_eq!(assign(&made(&only), &listed).unwrap().tests["unit"].len(), 2);
    let nothing = lists(&tests(2), |_, _| false);
    assert_snapshot!(told(&assign(&made(&only), &nothing).unwrap_err()), @r#"
    no test of `unit`, `e2e`, `performance` matches `test(t0)`
    hint: `cargo nextest list` shows the tests that there are
    "#);
}

#[test]
fn a_tier_that_was_not_listed_is_an_error_and_not_an_empty_tier() {
    let plan = made(&Request { tiers: vec![tier("unit")], ..Request::default() });
    let mut listed = lists(&tests(2), |_, tier| tier == "unit");
    listed.remove("e2e");
    assert_snapshot!(told(&assign(&plan, &listed).unwrap_err()), @r#"
    the tests of tier `e2e` were not listed
    hint: this is a defect of tollgate: every tier of a plan is listed
    "#);
    let only = made(&Request { tiers: vec![tier("unit")], only: Some("x".to_owned()), ..Request::default() });
    assert!(assign(&only, &listed).is_ok(), "a narrowed plan needs the tiers that run");
    assert!(assign(&Plan { tiers: Vec::new(), ..plan }, &BTreeMap::new()).unwrap().tests.is_empty());
}

proptest! {
    /// For any division of tests over tiers, the errors name exactly the tests that are not in one tier.
    #[test]
    fn exactly_the_tests_that_are_not_in_one_tier_are_errors(memberships in prop::collection::vec(0_u8..8, 1..40)) {
        let plan = made(&Request::default());
        let tests = tests(memberships.len());
        let bit = |name: &str| ["unit", "e2e", "performance"].iter().position(|tier| *tier == name).unwrap();
        let of = |test: &TestId| memberships[tests.iter().position(|other| other == test).unwrap()];
        let listed = lists(&tests, |test, tier| of(test) >> bit(tier) & 1 == 1);
        let expect = |wanted: fn(u32) -> bool| {
            tests.iter().filter(|test| wanted(of(test).count_ones())).cloned().collect::<Vec<_>>()
        };
        let (mut none, mut several) = (Vec::new(), Vec::new());
        match assign(&plan, &listed) {
            Ok(assigned) => {
                let mut all: Vec<TestId> = assigned.tests.into_values().flatten().collect();
                all.sort();
                prop_assert_eq!(all, tests.clone());
            }
            Err(PlanErrors(errors)) => for error in errors {
                match error {
                    PlanError::InNoTier { tests } => none = tests,
                    PlanError::InSeveralTiers { tests } => {
                        for (test, tiers) in &tests {
                            prop_assert_eq!(tiers.len(), of(test).count_ones() as usize);
                        }
                        several = tests.into_iter().map(|(test, _)| test).collect();
                    }
                    PlanError::EmptyTier { tier, .. } => {
                        prop_assert!(tests.iter().all(|test| of(test) >> bit(tier.as_str()) & 1 == 0));
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            },
        }
        prop_assert_eq!(none, expect(|count| count == 0));
        prop_assert_eq!(several, expect(|count| count > 1));
    }

    /// The parts of a partition have every test once, whatever part each test is in.
    #[test]
    fn the_union_of_all_parts_is_the_whole(parts in prop::collection::vec(1_u32..=4, 1..40)) {
        let tests = tests(parts.len());
        let mut union = Vec::new();
        for index in 1..=4 {
            let plan = made(&Request { partition: Some(Partition { index, count: 4 }), ..Request::default() });
            let mut listed = lists(&tests, |_, tier| tier == "unit");
            let unit = listed.get_mut("unit").unwrap();
            let here = |test: &TestId| parts[tests.iter().position(|other| other == test).unwrap()] == index;
            (unit.matched, unit.other_partition) = tests.iter().cloned().partition(here);
            union.extend(assign(&plan, &listed).unwrap().tests.remove("unit").unwrap());
        }
        union.sort();
        prop_assert_eq!(union, tests);
    }
}
