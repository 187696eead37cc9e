//! Which packages a change can reach: those with a file that differs, and all that depend on them.
//!
//! In doubt everything is reached: by a file that every run goes by (the configuration, the compose file) whatever package
//! lies around it, by one that is in no package (the lock file, the toolchain), by a manifest (cargo unites features over all
//! packages of a build), and by a change that is empty.

use super::Facts;
use crate::coverage::member_of;
use camino::Utf8Path;
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{Member, Plan, Reach, ServiceName, TestId, TierName, TierPlan};

/// Files that every run goes by; the compose file is one more, and the variables beside it.
const RUN_FILES: [&str; 3] = ["ci/tollgate.toml", "ci/quarantine.toml", "coverage/policy.toml"];

/// How many packages a reason names.
const NAMED: usize = 3;

/// What differs from a base, and what has to be known to tell what that reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// The base, as it was asked for.
    pub base: String,
    /// Files that differ, deleted ones too, from the root of the workspace; one outside of it starts with `/`.
    pub files: Vec<String>,
    /// What each member depends on, whatever for: names of members, and of path dependencies that are no member.
    pub dependencies: BTreeMap<String, BTreeSet<String>>,
    /// The programs of the workspace that are up while a tier's tests run.
    pub programs: BTreeMap<TierName, Vec<(ServiceName, String)>>,
}

/// What a change can reach; without a base to compare with, everything. `compose` is the compose file's path in the workspace.
pub(super) fn reach(facts: &Facts, compose: Option<&Utf8Path>) -> Reach {
    let everything = |why: String| Reach { everything: Some(why), ..Reach::default() };
    let Some(touched) = &facts.touched else {
        return everything("no base to compare with is named (`--base`)".to_owned());
    };
    if touched.files.is_empty() {
        return everything(format!("nothing differs from {}", touched.base));
    }
    let mut changed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in &touched.files {
        match owner(file, &facts.members) {
            _ if is_of_every_run(Utf8Path::new(file), compose) => {
                return everything(format!("{file} differs from {}, and every run goes by it", touched.base));
            }
            Ok(package) => changed.entry(package).or_default().push(file),
            Err(why) => return everything(format!("{file} differs from {}, {why}", touched.base)),
        }
    }
    let packages = closure(&changed, touched, &facts.members);
    let named = some_of(changed.keys().copied());
    let why = format!("none of its files differs from {}, and it does not depend on {named}", touched.base);
    let is_left_out = |member: &&Member| !packages.contains_key(&member.name);
    let left_out = facts.members.iter().filter(is_left_out).map(|member| (member.name.clone(), why.clone())).collect();
    let served = served(touched, &facts.members, &packages);
    Reach { everything: None, packages, left_out, served }
}

fn is_of_every_run(file: &Utf8Path, compose: Option<&Utf8Path>) -> bool {
    let compose = compose.map(|compose| compose.strip_prefix(".").unwrap_or(compose));
    RUN_FILES.iter().any(|known| file == *known)
        || compose.is_some_and(|compose| file == compose || file == compose.with_file_name(".env"))
}

/// The package that a file belongs to, or why it reaches all of them.
fn owner<'a>(file: &str, members: &'a [Member]) -> Result<&'a str, &'static str> {
    let (member, inner) = member_of(Utf8Path::new(file), members).ok_or("and is in no package")?;
    let first = inner.components().next().map_or("", |component| component.as_str());
    match first {
        _ if inner.file_name() == Some("Cargo.toml") => Err("and features are united over all packages of a build"),
        "src" | "tests" | "benches" | "examples" | "build.rs" => Ok(&member.name),
        // Around a package in the root stands what belongs to the whole workspace.
        _ if member.directory.is_empty() => Err("and is in no package"),
        _ => Ok(&member.name),
    }
}

/// The packages that changed, and all that depend on them, each with why it is reached.
fn closure(changed: &BTreeMap<&str, Vec<&str>>, touched: &Touched, members: &[Member]) -> BTreeMap<String, String> {
    let is_member = |name: &str| members.iter().any(|member| member.name == name);
    let mut reached: BTreeMap<String, String> = BTreeMap::new();
    for (package, files) in changed {
        let why = match files.as_slice() {
            [one] => format!("{one} differs from {}", touched.base),
            [one, ..] => format!("{one} and {} more differ from {}", files.len() - 1, touched.base),
            [] => continue,
        };
        reached.insert((*package).to_owned(), why);
    }
    for (package, dependencies) in &touched.dependencies {
        if let Some(outside) = dependencies.iter().find(|name| !is_member(name)) {
            let why = format!("it depends on {outside}, which is no member, so nobody knows what reaches that");
            reached.entry(package.clone()).or_insert(why);
        }
    }
    loop {
        let next = touched.dependencies.iter().filter(|(package, _)| !reached.contains_key(*package));
        let next: Vec<(String, String)> = next
            .filter_map(|(package, dependencies)| {
                let on = dependencies.iter().find(|name| reached.contains_key(*name))?;
                Some((package.clone(), format!("it depends on {on}")))
            })
            .collect();
        if next.is_empty() {
            return reached;
        }
        reached.extend(next);
    }
}

/// The tiers in whose environment a program runs that is reached, or that nobody knows.
fn served(touched: &Touched, members: &[Member], reached: &BTreeMap<String, String>) -> BTreeMap<TierName, String> {
    let package = |program: &String| members.iter().find(|member| member.binaries.contains(program));
    let why = |(service, program): &(ServiceName, String)| match package(program) {
        None => Some(format!("service {service} runs {program}, of which no package is known")),
        Some(member) if reached.contains_key(&member.name) => {
            Some(format!("service {service} runs {program} of package {}", member.name))
        }
        Some(_) => None,
    };
    let tier = |(tier, programs): (&TierName, &Vec<_>)| Some((tier.clone(), programs.iter().find_map(why)?));
    touched.programs.iter().filter_map(tier).collect()
}

/// The filterset of what a tier runs: without the packages that the change can't reach.
pub fn reached_filter(plan: &Plan, tier: &TierPlan) -> String {
    let Some(reach) = plan.reach.as_ref().filter(|reach| reach.narrows(&tier.name)) else { return tier.filter.clone() };
    let packages: Vec<String> = reach.left_out.keys().map(|package| format!("package(={package})")).collect();
    format!("({}) - ({})", tier.filter, packages.join(" + "))
}

/// The tests of a tier in the order given, those that run and those that the change can't reach.
pub(super) fn divided(plan: &Plan, tier: &TierName, tests: Vec<TestId>) -> (Vec<TestId>, Vec<TestId>) {
    let reach = plan.reach.as_ref();
    tests.into_iter().partition(|test| reach.is_none_or(|reach| reach.leaves_out(tier, test).is_none()))
}

fn some_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len().saturating_sub(NAMED) {
        0 => names.join(" or "),
        more => format!("{} or {more} more that do", names[..NAMED].join(", ")),
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use insta::assert_snapshot;

    /// `app` depends on `lib`, `tool` builds with `app`, `lone` on nothing; `e2e` is served by `app`.
    fn facts(files: &[&str]) -> Facts {
        let member = |(name, directory): (&str, &str)| Member {
            name: name.to_owned(),
            directory: directory.to_owned(),
            binaries: vec![name.to_owned()],
        };
        let depends = |name: &str, on: &[&str]| (name.to_owned(), on.iter().map(|&on| on.to_owned()).collect());
        let programs = [("shop", "app"), ("store", "lone")]
            .map(|(service, program)| (ServiceName::new(service).expect("a name"), program.to_owned()));
        let tier = |name: &str| TierName::new(name).expect("a name");
        let [shop, store] = programs;
        Facts {
            workspace_root: "/w".into(),
            target_directory: "/w/target".into(),
            members: [("app", "app"), ("lib", "crates/lib"), ("lone", "lone"), ("root", ""), ("tool", "tool")]
                .map(member)
                .into(),
            touched: Some(Touched {
                base: "main".into(),
                files: files.iter().map(|&file| file.to_owned()).collect(),
                dependencies: [depends("app", &["lib"]), depends("tool", &["app"])].into(),
                programs: [(tier("e2e"), vec![shop]), (tier("store"), vec![store])].into(),
            }),
        }
    }

    fn told(facts: &Facts) -> String {
        let Reach { everything, packages, left_out, served } = reach(facts, Some("./env/compose.yml".into()));
        let lines = everything.map(|why| format!("everything: {why}")).into_iter();
        let lines = lines.chain(packages.iter().map(|(package, why)| format!("+ {package}: {why}")));
        let lines = lines.chain(left_out.iter().map(|(package, why)| format!("- {package}: {why}")));
        lines.chain(served.iter().map(|(tier, why)| format!("all of {tier}: {why}"))).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_change_reaches_its_package_and_all_that_depend_on_it() {
        assert_snapshot!(told(&facts(&["crates/lib/src/lib.rs", "crates/lib/data/prices.csv"])), @"
        + app: it depends on lib
        + lib: crates/lib/src/lib.rs and 1 more differ from main
        + tool: it depends on app
        - lone: none of its files differs from main, and it does not depend on lib
        - root: none of its files differs from main, and it does not depend on lib
        all of e2e: service shop runs app of package app
        ");
        assert_snapshot!(told(&facts(&["tool/src/main.rs"])), @"
        + tool: tool/src/main.rs differs from main
        - app: none of its files differs from main, and it does not depend on tool
        - lib: none of its files differs from main, and it does not depend on tool
        - lone: none of its files differs from main, and it does not depend on tool
        - root: none of its files differs from main, and it does not depend on tool
        ");
        assert_snapshot!(told(&facts(&["src/main.rs", "lone/README.md"])), @"
        + lone: lone/README.md differs from main
        + root: src/main.rs differs from main
        - app: none of its files differs from main, and it does not depend on lone or root
        - lib: none of its files differs from main, and it does not depend on lone or root
        - tool: none of its files differs from main, and it does not depend on lone or root
        all of store: service store runs lone of package lone
        ");
    }

    #[test]
    fn what_is_in_no_package_reaches_everything() {
        let files = [
            "Cargo.lock",
            "rust-toolchain.toml",
            ".cargo/config.toml",
            "ci/tollgate.toml",
            ".github/x.yml",
            "Cargo.toml",
            "gone/src/lib.rs",
            "/other/file",
            "lone/Cargo.toml",
        ];
        let all = files.map(|file| told(&facts(&["lone/src/main.rs", file])));
        assert_snapshot!(all.join("\n"), @"
        everything: Cargo.lock differs from main, and is in no package
        everything: rust-toolchain.toml differs from main, and is in no package
        everything: .cargo/config.toml differs from main, and is in no package
        everything: ci/tollgate.toml differs from main, and every run goes by it
        everything: .github/x.yml differs from main, and is in no package
        everything: Cargo.toml differs from main, and features are united over all packages of a build
        everything: gone/src/lib.rs differs from main, and is in no package
        everything: /other/file differs from main, and is in no package
        everything: lone/Cargo.toml differs from main, and features are united over all packages of a build
        ");
    }

    #[test]
    fn what_every_run_goes_by_reaches_everything_also_inside_of_a_package() {
        let all = ["ci/tollgate.toml", "ci/quarantine.toml", "coverage/policy.toml", "env/compose.yml", "env/.env"];
        let in_members = |file| {
            let mut facts = facts(&["lone/src/main.rs", file]);
            let around = facts.members.iter_mut().zip(["ci", "coverage", "env"]);
            around.for_each(|(member, directory)| directory.clone_into(&mut member.directory));
            facts.members.push(Member { name: "other".into(), directory: "lone".into(), binaries: Vec::new() });
            told(&facts)
        };
        assert_snapshot!(all.map(in_members).join("\n"), @"
        everything: ci/tollgate.toml differs from main, and every run goes by it
        everything: ci/quarantine.toml differs from main, and every run goes by it
        everything: coverage/policy.toml differs from main, and every run goes by it
        everything: env/compose.yml differs from main, and every run goes by it
        everything: env/.env differs from main, and every run goes by it
        ");
        assert!(in_members("ci/src/main.rs").starts_with("+ app: ci/src/main.rs differs from main"));
    }

    #[test]
    fn without_anything_to_compare_everything_is_reached() {
        assert_snapshot!(told(&facts(&[])), @"everything: nothing differs from main");
        assert_snapshot!(told(&Facts { touched: None, ..facts(&[]) }), @"everything: no base to compare with is named (`--base`)");
    }

    #[test]
    fn what_nobody_can_see_through_is_reached() {
        let mut facts = facts(&["lone/src/main.rs"]);
        let touched = facts.touched.as_mut().expect("a change");
        touched.dependencies.insert("lib".into(), ["outside".to_owned()].into());
        touched.programs.values_mut().flatten().for_each(|(_, program)| "unknown".clone_into(program));
        assert_snapshot!(told(&facts), @"
        + app: it depends on lib
        + lib: it depends on outside, which is no member, so nobody knows what reaches that
        + lone: lone/src/main.rs differs from main
        + tool: it depends on app
        - root: none of its files differs from main, and it does not depend on lone
        all of e2e: service shop runs unknown, of which no package is known
        all of store: service store runs unknown, of which no package is known
        ");
    }
}
