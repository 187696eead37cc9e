//! The nextest profile that a tier runs under.

use super::{MOST_FIRST, TierRun};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tollgate_model::TestId;

/// Name of a tier's profile. No configuration of a workspace has it, so nothing there takes precedence by accident.
pub(super) fn name(tier: &TierRun) -> String {
    format!("tollgate-{}-{}", tier.run, tier.name)
}

/// The configuration file with the profile, handed to nextest as a tool's.
///
/// A tool's profile inherits from the workspace's `default` profile, and its overrides for single tests stay effective;
/// the same settings on the command line would overrule them. nextest takes an absolute path for JUnit, so the file is
/// written where it is wanted, and its store gets an empty directory at most; it is the run's own, since `target` of the
/// checkout may be another user's. `store-success-output` is nextest's
/// default and is said all the same: a passed test's output is never part of the evidence. Where the workspace orders its
/// tests itself, no test is told to start first.
pub(super) fn config(tier: &TierRun, junit: &Utf8Path, is_ordered: bool) -> String {
    let profile = name(tier);
    let mut text = format!(
        "[store]\n\
         dir = {store:?}\n\n\
         [profile.{profile}]\n\
         fail-fast = false\n\
         retries = {retries}\n\
         slow-timeout = {{ period = \"{timeout}ms\", terminate-after = 1, grace-period = \"1s\" }}\n\
         status-level = \"pass\"\n\
         final-status-level = \"none\"\n\
         success-output = \"never\"\n\
         failure-output = \"never\"\n",
        store = store(tier).as_str(),
        retries = tier.retries,
        timeout = tier.timeout_ms,
    );
    if let Some(threads) = tier.threads {
        // Writing to a string can't fail.
        let _ = writeln!(text, "test-threads = {threads}");
    }
    if let Some(tests) = &tier.tests {
        let _ = writeln!(text, "default-filter = {:?}", filterset(tests));
    }
    let _ = write!(
        text,
        "\n[profile.{profile}.junit]\n\
         path = {path:?}\n\
         report-name = {report:?}\n\
         store-success-output = false\n\
         store-failure-output = true\n",
        path = junit.as_str(),
        report = tier.name.as_str(),
    );
    if !is_ordered {
        text += &first(&profile, &tier.first);
    }
    text
}

/// What makes a profile start these tests before all others, in this order; at most [`MOST_FIRST`] of them.
pub(super) fn first(profile: &str, tests: &[TestId]) -> String {
    let override_of = |(place, test): (usize, &TestId)| {
        let filter = format!("binary_id(={}) & test(={})", literal(&test.binary), literal(&test.name));
        let priority = MOST_FIRST - place;
        format!("\n[[profile.{profile}.overrides]]\nfilter = {filter:?}\npriority = {priority}\n")
    };
    tests.iter().take(MOST_FIRST).enumerate().map(override_of).collect()
}

/// Where nextest makes a directory for the profile, unless the workspace says so itself.
pub(super) fn store(tier: &TierRun) -> Utf8PathBuf {
    tier.directory.join("store")
}

/// A filterset of exactly these tests. It stands in the file, since a command line has an end.
fn filterset(tests: &[TestId]) -> String {
    let mut binaries: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for test in tests {
        binaries.entry(&test.binary).or_default().push(format!("test(={})", literal(&test.name)));
    }
    let of_binary =
        |(binary, tests): (&str, Vec<String>)| format!("(binary_id(={}) & ({}))", literal(binary), tests.join(" + "));
    let sets: Vec<String> = binaries.into_iter().map(of_binary).collect();
    if sets.is_empty() { "none()".to_owned() } else { sets.join(" + ") }
}

/// A name with what means something to a filterset escaped.
fn literal(name: &str) -> String {
    name.replace('\\', "\\\\").replace(')', "\\)").replace(',', "\\,")
}

#[cfg(test)]
mod unit {
    use super::super::run::unit::tier;
    use super::*;

    #[test]
    fn a_tier_becomes_a_profile() {
        let mut tier = tier();
        insta::assert_snapshot!(config(&tier, "/run/unit/junit.xml".into(), false), @r#"
        [store]
        dir = "/run/unit/store"

        [profile.tollgate-20261121-093055-1-unit]
        fail-fast = false
        retries = 2
        slow-timeout = { period = "1500ms", terminate-after = 1, grace-period = "1s" }
        status-level = "pass"
        final-status-level = "none"
        success-output = "never"
        failure-output = "never"

        [profile.tollgate-20261121-093055-1-unit.junit]
        path = "/run/unit/junit.xml"
        report-name = "unit"
        store-success-output = false
        store-failure-output = true
        "#);
        tier.tests = Some(vec![TestId::new("a::b", "x::y"), TestId::new("a", "z(1)"), TestId::new("a::b", "w")]);
        let expected = r"(binary_id(=a) & (test(=z(1\\)))) + (binary_id(=a::b) & (test(=x::y) + test(=w)))";
        assert!(config(&tier, "/j".into(), false).contains(&format!("default-filter = \"{expected}\"\n\n[profile.")));
        tier.tests = Some(Vec::new());
        assert!(config(&tier, "/j".into(), false).contains("default-filter = \"none()\""));
        tier.tests = None;
        tier.threads = Some(1);
        assert!(
            config(&tier, "/j".into(), false).contains("failure-output = \"never\"\ntest-threads = 1\n\n[profile.")
        );
    }
    #[test]
    fn the_longest_tests_start_first_unless_the_workspace_orders_its_own() {
        let mut tier = tier();
        tier.first = (0..150).map(|n| TestId::new("a::b", format!("t({n})"))).collect();
        let text = config(&tier, "/j".into(), false);
        assert!(text.contains("filter = \"binary_id(=a::b) & test(=t(0\\\\))\"\npriority = 100\n"), "{text}");
        assert!(text.contains("t(99\\\\))\"\npriority = 1\n") && !text.contains("t(100"), "{text}");
        assert!(!config(&tier, "/j".into(), true).contains("priority"));
    }
}
