//! The union of several tiers' reports, by file and line, over the sources of the workspace's members.

use super::{Lcov, glob};
use camino::Utf8Path;
use std::collections::BTreeMap;
use tollgate_model::{FileCoverage, LineCount, Member, Plan, TierName};

/// Unites the reports of the tiers; the counts of every line are in the order of `tiers`.
///
/// Only sources of members count: not those outside the workspace or in the target directory (`OUT_DIR`), not `tests/`,
/// `benches/`, `examples/` and `build.rs` of a member, and not what the plan's policy excludes. A tier whose report does
/// not name a line has 0 there, so a file that only one tier compiled is still judged whole.
pub fn union(tiers: &[(TierName, Lcov)], plan: &Plan) -> Vec<FileCoverage> {
    let mut files: BTreeMap<(String, &str), BTreeMap<u32, Vec<u64>>> = BTreeMap::new();
    for (index, (_, lcov)) in tiers.iter().enumerate() {
        for (source, lines) in lcov.iter().filter(|(_, lines)| !lines.is_empty()) {
            let Some(key) = locate(source, plan) else { continue };
            let file = files.entry(key).or_default();
            for (&line, &count) in lines {
                let counts = file.entry(line).or_insert_with(|| vec![0; tiers.len()]);
                counts[index] = counts[index].saturating_add(count);
            }
        }
    }
    files
        .into_iter()
        .map(|((path, package), lines)| FileCoverage {
            path,
            package: package.to_owned(),
            lines: lines.into_iter().map(|(line, counts)| LineCount { line, counts }).collect(),
            test_spans: Vec::new(),
        })
        .collect()
}

/// The path relative to the workspace and the member of a source that counts.
fn locate<'a>(source: &str, plan: &'a Plan) -> Option<(String, &'a str)> {
    let source = Utf8Path::new(source);
    if source.starts_with(&plan.target_directory) {
        return None;
    }
    let path = if source.is_absolute() { source.strip_prefix(&plan.workspace_root).ok()? } else { source };
    let (member, inner) = member_of(path, &plan.members)?;
    let counts = is_production(inner) && !is_excluded(path.as_str(), &member.name, plan);
    counts.then(|| (path.to_string(), member.name.as_str()))
}

/// The member in whose directory the path is: the innermost, since the root package's directory holds all others.
pub(crate) fn member_of<'a, 'p>(path: &'p Utf8Path, members: &'a [Member]) -> Option<(&'a Member, &'p Utf8Path)> {
    let inside = |member: &'a Member| path.strip_prefix(&member.directory).ok().map(|inner| (member, inner));
    members.iter().filter_map(inside).min_by_key(|(_, inner)| inner.as_str().len())
}

fn is_production(inner: &Utf8Path) -> bool {
    let first = inner.components().next().map_or("", |component| component.as_str());
    !matches!(first, "tests" | "benches" | "examples" | "..") && inner != "build.rs"
}

/// Whether a source counts, by its path from the root of the workspace.
pub(crate) fn counts(path: &str, plan: &Plan) -> bool {
    locate(path, plan).is_some()
}

/// Whether the plan's policy leaves a file of a member out.
pub(crate) fn is_excluded(path: &str, package: &str, plan: &Plan) -> bool {
    plan.policy.coverage.as_ref().is_some_and(|policy| {
        policy.excluded_packages.iter().any(|exclusion| exclusion.what == package)
            || policy.excluded_paths.iter().any(|exclusion| glob::matches(&exclusion.what, path))
    })
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::coverage::parse_lcov;
    use crate::judge::sample;
    use proptest::prelude::*;
    use tollgate_model::Exclusion;

    fn lcov(files: &[(&str, &[(u32, u64)])]) -> Lcov {
        files.iter().map(|(path, lines)| ((*path).to_owned(), lines.iter().copied().collect())).collect()
    }

    fn tier(name: &str) -> TierName {
        TierName::new(name).unwrap()
    }

    #[test]
    fn a_line_has_the_counts_of_all_tiers() {
        let unit = lcov(&[("/w/crates/core/src/a.rs", &[(1, 2), (2, 0)])]);
        let e2e =
            lcov(&[("/w/crates/core/src/a.rs", &[(2, 7), (3, 0)]), ("/w/crates/identity/src/main.rs", &[(9, 1)])]);
        let files = union(&[(tier("unit"), unit), (tier("e2e"), e2e)], &sample::plan());
        let shown: Vec<_> = files
            .iter()
            .flat_map(|file| file.lines.iter().map(move |line| (file.path.as_str(), file.package.as_str(), line)))
            .map(|(path, package, line)| format!("{path} ({package}) {} {:?}", line.line, line.counts))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        crates/core/src/a.rs (core) 1 [2, 0]
        crates/core/src/a.rs (core) 2 [0, 7]
        crates/core/src/a.rs (core) 3 [0, 0]
        crates/identity/src/main.rs (identity) 9 [0, 1]
        ");
    }

    #[test]
    fn only_production_sources_of_members_count() {
        let mut plan = sample::plan();
        let root = Member { name: "root".into(), directory: String::new(), binaries: Vec::new() };
        plan.members.push(root);
        let policy = plan.policy.coverage.as_mut().unwrap();
        policy.excluded_paths = vec![Exclusion { what: "**/generated/**".into(), reason: "made by a tool".into() }];
        let check = |path: &str, expect: Option<&str>| {
            let files = union(&[(tier("unit"), lcov(&[(path, &[(1, 1)])]))], &plan);
            assert_eq!(files.first().map(|file| file.package.as_str()), expect, "{path}");
        };
        check("/w/crates/core/src/lib.rs", Some("core"));
        check("crates/core/src/lib.rs", Some("core"));
        check("/w/src/lib.rs", Some("root"));
        check("/w/crates/corelike/src/lib.rs", Some("root"));
        check("/w/crates/core/tests/integration.rs", None);
        check("/w/crates/core/benches/b.rs", None);
        check("/w/crates/core/examples/e.rs", None);
        check("/w/crates/core/build.rs", None);
        check("/w/crates/core/src/build.rs", Some("core"));
        check("/w/crates/core/src/generated/a.rs", None);
        check("/w/crates/harness/src/lib.rs", None);
        check("/w/target/debug/build/core-1/out/gen.rs", None);
        check("/elsewhere/crates/core/src/lib.rs", None);
        check("/w/../x/src/lib.rs", None);
    }

    #[test]
    fn a_file_without_a_coverable_line_is_not_measured() {
        let empty = parse_lcov("SF:/w/crates/core/src/lib.rs\nend_of_record\n").unwrap();
        assert_eq!(union(&[(tier("unit"), empty)], &sample::plan()), []);
    }

    proptest! {
        #[test]
        fn a_line_is_covered_when_any_tier_reached_it(
            counts in prop::collection::vec(prop::collection::btree_map(1u32..9, 0u64..3, 1..9), 1..4),
        ) {
            let tiers: Vec<_> = counts
                .iter()
                .enumerate()
                .map(|(i, lines)| (tier(&format!("t{i}")), Lcov::from([("/w/crates/core/src/a.rs".into(), lines.clone())])))
                .collect();
            let files = union(&tiers, &sample::plan());
            for line in 1..9 {
                let seen: Vec<u64> = counts.iter().filter_map(|lines| lines.get(&line).copied()).collect();
                let united = files[0].lines.iter().find(|l| l.line == line);
                prop_assert_eq!(united.is_some(), !seen.is_empty());
                prop_assert_eq!(united.map_or(0, |l| l.counts.iter().sum()), seen.iter().sum::<u64>());
            }
        }
    }
}
