//! A plan as text for people: at most 80 columns, readable without colour.

use std::fmt::Write as _;
use tollgate_model::{
    BuildPlan, CoveragePolicy, EngineChoice, Exclusion, LoadLimits, Milliseconds, Plan, RegressionPolicy, TierName,
    TierPlan, count,
};

/// Longest line.
const WIDTH: usize = 80;
/// Width of the column of verbs, as cargo and nextest have it.
const VERB: usize = 12;

/// Describes everything that the plan will do.
pub fn describe(plan: &Plan) -> String {
    let mut page = Page(String::new());
    let running = plan.tiers_to_run().count();
    page.line("Plan", &format!("stage {}: {running} of {}", plan.stage, count(plan.tiers.len() as u64, "tier")));
    page.line("Workspace", &format!("{}, {}", plan.workspace_root, count(plan.members.len() as u64, "member")));
    environment(&mut page, plan);
    for build in &plan.builds {
        page.line("Build", &self::build(build));
    }
    for tier in &plan.tiers {
        self::tier(&mut page, tier, plan.policy.bands.contains(&tier.name));
    }
    reach(&mut page, plan);
    if let Some(partition) = plan.partition {
        page.line("Partition", &format!("{partition} of the tests of every tier"));
    }
    if let Some(only) = &plan.only {
        page.line("Only", only);
    }
    for export in &plan.exports {
        page.line("Export", &format!("{}={}", export.name, export.template));
    }
    gates(&mut page, plan);
    page.0
}

struct Page(String);

impl Page {
    /// Adds a verb and what it says, wrapped below itself.
    fn line(&mut self, verb: &str, text: &str) {
        for (index, line) in wrapped(text, WIDTH - VERB - 1).iter().enumerate() {
            let verb = if index == 0 { verb } else { "" };
            // Writing to a string can't fail.
            let _ = writeln!(self.0, "{verb:>VERB$} {line}");
        }
    }
}

fn environment(page: &mut Page, plan: &Plan) {
    let Some(file) = &plan.compose_file else {
        return page.line("Environment", "none, since no tier needs a service");
    };
    let engine = match plan.engine {
        EngineChoice::Auto => "compose where a container engine answers, else native",
        EngineChoice::Compose => "compose",
        EngineChoice::Native => "native",
    };
    let file = file.strip_prefix(&plan.workspace_root).unwrap_or(file);
    page.line("Environment", &format!("{file}, engine: {engine}; ready within {}", time(plan.ready_timeout_ms)));
}

fn build(build: &BuildPlan) -> String {
    let packages = match build.packages.as_slice() {
        [] => "the whole workspace".to_owned(),
        packages => packages.join(", "),
    };
    format!("{}, profile {}: {packages}", build.kind.as_str(), build.cargo_profile)
}

fn tier(page: &mut Page, tier: &TierPlan, bands: bool) {
    if !tier.run {
        return page.line("Skip", &format!("{}: {}", tier.name, tier.filter));
    }
    page.line("Run", &format!("{}: {}", tier.name, tier.filter));
    let mut facts = vec![format!("{} build", tier.build.as_str())];
    if !tier.services.is_empty() {
        let services: Vec<&str> = tier.services.iter().map(AsRef::as_ref).collect();
        facts.push(format!("services {}", services.join(" ")));
    }
    facts.extend(tier.budget_ms.map(|budget| format!("budget {}", time(budget))));
    facts.extend(tier.test_budget_ms.map(|budget| format!("a test within {}", time(budget))));
    facts.push(format!("{} a test", time(tier.timeout_ms)));
    facts.extend(
        (tier.retries > 0)
            .then(|| if tier.retries == 1 { "1 retry".to_owned() } else { format!("{} retries", tier.retries) }),
    );
    facts.extend(tier.threads.map(|threads| format!("{} at once", count(u64::from(threads), "test"))));
    facts.extend(bands.then(|| "judged by bands".to_owned()));
    page.line("", &facts.join(", "));
}

/// Describes what of the packages the change can reach, and why the others are left out; nothing where the stage tests all.
pub fn describe_reach(plan: &Plan) -> String {
    let mut page = Page(String::new());
    reach(&mut page, plan);
    page.0
}

fn reach(page: &mut Page, plan: &Plan) {
    let Some(reach) = &plan.reach else { return };
    let all = count(plan.members.len() as u64, "package");
    page.line(
        "Reach",
        &match &reach.everything {
            Some(why) => format!("{all}: {why}"),
            None => format!("{} of {all} can be reached by the change", reach.packages.len()),
        },
    );
    reach.packages.iter().for_each(|(package, why)| page.line("Test", &format!("{package}: {why}")));
    reach.left_out.iter().for_each(|(package, why)| page.line("Leave out", &format!("{package}: {why}")));
    reach.served.iter().for_each(|(tier, why)| page.line("Whole", &format!("{tier}: {why}")));
}

fn gates(page: &mut Page, plan: &Plan) {
    let policy = &plan.policy;
    if let Some(coverage) = &policy.coverage {
        page.line("Gate", &self::coverage(coverage));
        if let Some(base) = &plan.base {
            let percent = coverage.patch_percent;
            page.line("Gate", &format!("coverage of at least {percent} % of the lines added since {base}"));
        }
        for exclusion in coverage.excluded_packages.iter().chain(&coverage.excluded_paths) {
            let Exclusion { what, reason } = exclusion;
            page.line("", &format!("without {what}: {reason}"));
        }
    }
    if let Some(budget) = policy.suite_budget_ms {
        page.line("Gate", &format!("suite within {}", time(budget)));
    }
    for (tier, limits) in &policy.load {
        page.line("Gate", &load(tier, limits));
    }
    let flake = if policy.fail_on_flake { "fails the run" } else { "is a warning" };
    page.line("Gate", &format!("a test that passes only when tried again {flake}"));
    if let (Some(base), Some(stress)) = (&plan.base, &policy.new_tests) {
        let most = time(stress.budget_ms);
        page.line("Gate", &format!("tests added or changed since {base} pass when stressed, for at most {most}"));
    }
    if let (Some(base), Some(again)) = (&plan.base, &policy.change_flakes) {
        let most = time(again.budget_ms);
        page.line("Gate", &format!("whose a flake is, {base} executed again tells, for at most {most} and its build"));
    }
    if let (Some(base), Some(compared)) = (&plan.base, &policy.regression) {
        let RegressionPolicy { tier, limit_percent, pairs, budget_ms } = compared;
        let most = time(*budget_ms);
        page.line(
            "Gate",
            &format!(
                "tests of {tier} at most {limit_percent} % slower than on {base}, in up to {pairs} pairs, for at most {most} and its build"
            ),
        );
    }
    for entry in &policy.quarantine {
        page.line("", &format!("muted until {}: {} ({})", entry.expires, entry.test, entry.issue));
    }
}

fn coverage(coverage: &CoveragePolicy) -> String {
    format!("coverage of at least {} % of the lines", coverage.floor_percent)
}

fn load(tier: &TierName, limits: &LoadLimits) -> String {
    format!(
        "load of {tier}: p95 under {}, errors under {} %, {} % of sessions completed, at least {}",
        time(limits.p95_ms),
        limits.error_percent,
        limits.completion_percent,
        count(limits.min_requests, "request")
    )
}

fn time(ms: Milliseconds) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}

/// Lines of at most `width` characters, broken between words, and within a word only where it is longer than a line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split_whitespace() {
        let mut letters: Vec<char> = word.chars().collect();
        if room < width && letters.len() < room {
            push(&mut lines, " ");
            room -= 1;
        } else if room < width {
            lines.push(String::new());
            room = width;
        }
        while letters.len() > room {
            let rest = letters.split_off(room);
            push(&mut lines, &letters.iter().collect::<String>());
            lines.push(String::new());
            (letters, room) = (rest, width);
        }
        room -= letters.len();
        push(&mut lines, &letters.iter().collect::<String>());
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(text);
    }
}
