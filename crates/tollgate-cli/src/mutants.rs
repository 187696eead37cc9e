//! Mutation testing is one straight line too: list, copy, baseline, select, try, judge, report.
//!
//! Where the policy names tiers that need services, those are up while mutants are tried; a mutant in a program that they run
//! has services of its own.
//!
//! Mutants are tried in a copy of the workspace that stays (`target/tollgate/mutants`). Those of a change are built into one program
//! that is the baseline as well, and tried there with every test that could notice them ([`change`]). Of others as many as can be
//! are in one program, where a switch turns on one of them, and what no test notices there is tried by itself, first with the tests of
//! its package that enter its function, and a survivor once more with every test that could notice it. For a score, survivors of that
//! program are counted as they are ([`joint`]), but for new ones where those block or are stored, and those that decide whether a floor
//! is kept. What became of each is written down at once, so that a run which is interrupted goes on where it was.

mod alone;
mod asked;
mod baseline;
mod change;
mod counted;
mod joint;
mod parts;
mod ready;
mod record;
mod sift;
mod stored;
mod trials;

use crate::{
    args::{Engine, Selection},
    console::Tone,
    error::CliError,
    pipeline::{self, Beside, all_tools},
    project::Project,
    session::{Session, signal_name},
};
use alone::Alone;
use camino::Utf8Path;
use counted::Counted;
use joint::Switch;
pub(crate) use parts::unite;
use ready::Copy;
use record::Records;
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs, panic, thread,
    time::{Duration, Instant},
};
use stored::{accept, survivors};
use tollgate_core::mutation::{
    self, MutationReport, Part, Scope, Skipped, SurvivorKey, Touched, compare, floors, gates, in_source, select,
    settled,
};
use tollgate_core::{
    config::{MutationConfig, TierConfig},
    report::brief_of_mutants,
};
use tollgate_env::Binaries;
use tollgate_model::{Member, Mutant, Partition, TierName, count};
use tollgate_tools::{
    Toolbox,
    cargo::{self, Workspace},
    mutants::{self, Graph, Scratch},
};
use trials::Ground;

/// What is asked for.
pub(crate) struct Request {
    /// Which mutants.
    pub(crate) scope: Scope,
    /// The part of them.
    pub(crate) shard: Option<Partition>,
    /// Their packages; empty means all.
    pub(crate) packages: Vec<String>,
    /// Longest time of trying.
    pub(crate) budget: Option<Duration>,
    /// Whether what an earlier run noticed is taken over, though tests may differ.
    pub(crate) iterate: bool,
    /// Whether the survivors become the stored set.
    pub(crate) accept: bool,
    /// What runs the services that tests need, where they need some.
    pub(crate) engine: Option<Engine>,
}

/// Walks the line.
///
/// # Errors
/// When the tests of the unchanged workspace fail or don't compile, and when a tool can't work.
pub(crate) fn run(project: &Project, request: &Request, session: &Session) -> Result<MutationReport, CliError> {
    let console = session.reporter.console();
    // Better now than when all mutants have been tried.
    let stored = stored(project, request)?;
    let accepting = request.accept.then(|| stored.as_deref().unwrap_or_default());
    let workspace = cargo::metadata(&project.root, &session.interrupt)?;
    asked::packages(&request.packages, &workspace.members)?;
    let tools = all_tools(project, session)?;
    let cargo_mutants = tools.cargo_mutants.clone().ok_or_else(not_pinned)?;
    let toolbox = Toolbox::new(workspace.root.clone(), session.halt.clone(), &tools);
    let touched = asked::touched(&request.scope, &workspace.root, session)?;
    // Any of them: what an attribute names as a module may be called as it likes.
    let files = touched.as_ref().map(|touched| touched.keys().map(String::as_str).collect::<Vec<_>>());
    let (listed, skipped) = thread::scope(|scope| {
        let skipped = scope.spawn(|| skipped(&toolbox, &cargo_mutants, request, touched.as_ref()));
        let listed = mutants::list(&toolbox, &cargo_mutants, &request.packages, files.as_deref());
        (listed, skipped.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    });
    let (listed, skipped) = (asked::wanted(listed?, &request.scope, touched.as_ref())?, skipped?);
    console.status(Tone::Good, "Listed", &count(listed.len() as u64, "mutant"));
    let part = request.shard.map(|shard| Part::new(shard, &listed, attempt()));
    let directory = workspace.target_directory.join("tollgate/mutants");
    let report = |results, left_out| {
        let report = MutationReport::new(request.scope.clone(), results, left_out);
        MutationReport { part, packages: request.packages.clone(), skipped, ..report }
    };
    if listed.is_empty() {
        return conclude(report(Vec::new(), Vec::new()), project, accepting, &workspace, &directory, session);
    }

    let members: Vec<String> = workspace.members.iter().map(|member| member.name.clone()).collect();
    let on_wait = &mut || console.status(Tone::Warning, "Waiting", "another run holds the copy of the workspace");
    let scratch = Scratch::prepare(&toolbox, &directory, &workspace.target_directory, &members, on_wait)?;
    let marked = |mutant: &Mutant, line| {
        let source = fs::read_to_string(workspace.root.join(&mutant.file)).ok()?;
        in_source(&source, mutant, line)
    };
    let budget = request.budget.or_else(|| {
        matches!(request.scope, Scope::Diff { .. }).then(|| Duration::from_millis(project.config.mutation.budget_ms))
    });
    let switch = Switch::new(&directory)?;
    let copy =
        Copy { project, workspace: &workspace, scratch: &scratch, switch: &switch, directory: &directory, session };
    // Programs that services run have no mutant in them that is switched on.
    let is_change = touched.is_some() && tiers(project).all(|tier| tier.services.is_empty());
    let left = |since: Instant| half(budget, since);
    let build = |programs: &[String]| {
        let ready = copy.build(&listed, is_change.then_some(&left), programs)?;
        let binaries = ready.built.binaries.clone();
        Ok((ready, binaries))
    };
    let (results, left_out) = beside(project, request.engine, session, build, |beside, ready| {
        let (ready, baseline) = copy.observe(ready, beside)?;
        let suppressions = &project.config.mutation.suppressions;
        let mut selection =
            select(listed.clone(), touched.as_ref(), request.shard, &baseline.reach, suppressions, &marked);
        if baseline.is_untested() {
            // Of a change it is the coverage gate's finding, as is what tests don't reach; anything else would be judged by nothing.
            let left_out = selection.untested().left_out;
            return if touched.is_some() {
                Ok((Vec::new(), left_out))
            } else {
                Err(untested(&project.config.mutation))
            };
        }
        let counted = counted(request, &project.config.mutation, stored.as_deref(), &listed);
        let known = directory.join("results.jsonl");
        let mut records = Records::open(&known, &baseline.key(&scratch), request.iterate, counted.clone())?;
        let is_controlled = Cell::default();
        let (scratch, switch, baseline, noticing) = (&scratch, &switch, &baseline, &ready.noticing);
        let alone = Alone::default();
        let floors = &project.config.mutation.floors;
        let ground =
            Ground { scratch, switch, baseline, noticing, beside, is_controlled, alone, counted, floors, session };
        let results = trials::try_all(&ground, ready.change, &mut selection, &mut records, budget, touched.is_some())?;
        Ok((results, selection.left_out))
    })?;
    conclude(report(results, left_out), project, accepting, &workspace, &directory, session)
}

/// What is left of the half of the time that many mutants in one program may take. The other half is for what is not noticed there:
/// without it a change would have no survivors for want of time.
fn half(budget: Option<Duration>, since: Instant) -> Duration {
    budget.map_or(Duration::MAX, |budget| (budget / 2).saturating_sub(since.elapsed()))
}

/// The stored survivors that the results are to be compared with. A set that can't be read is in nobody's way who replaces all of it.
fn stored(project: &Project, request: &Request) -> Result<Option<Vec<SurvivorKey>>, CliError> {
    if request.scope != Scope::All {
        return Ok(None);
    }
    let stored = survivors(&project.root);
    if request.accept && request.packages.is_empty() { Ok(stored.unwrap_or_default()) } else { stored }
}

/// What counts without a trial of its own: of a change no survivor; of a score all, but for those that would block as new ones of the
/// stored set, or become stored.
fn counted(request: &Request, config: &MutationConfig, stored: Option<&[SurvivorKey]>, listed: &[Mutant]) -> Counted {
    match (&request.scope, stored) {
        (Scope::Diff { .. } | Scope::Only { .. }, _) => Counted::Noticed,
        (Scope::All, Some(stored)) if config.ratchet || request.accept => Counted::Known(settled(stored, listed)),
        // What parts find may be stored once they are united.
        (Scope::All, None) if request.accept || config.ratchet && request.shard.is_some() => {
            Counted::Known(BTreeSet::new())
        }
        (Scope::All, _) => Counted::All,
    }
}

/// The tiers that are to notice mutants.
fn tiers(project: &Project) -> impl Iterator<Item = &TierConfig> {
    project.config.tiers.iter().filter(|tier| project.config.mutation.tiers.contains(&tier.name))
}

/// Does the work beside the services of the tiers that are to notice mutants, where one of them needs some. They are up
/// throughout: one mutant is tried at a time, and another run has services of its own. `build` is told the programs of the
/// workspace that they run.
fn beside<B, T>(
    project: &Project,
    engine: Option<Engine>,
    session: &Session,
    build: impl FnOnce(&[String]) -> Result<(B, Binaries), CliError>,
    work: impl FnOnce(Option<&Beside<'_>>, B) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let served = tiers(project).filter(|tier| !tier.services.is_empty());
    let tiers: Vec<String> = served.map(|tier| tier.name.to_string()).collect();
    if tiers.is_empty() {
        return work(None, build(&[])?.0);
    }
    let survey = pipeline::survey(project, session)?;
    let mut wanted = pipeline::request(&Selection { tiers, engine, ..Selection::default() })?;
    wanted.gates = false;
    let plan = pipeline::plan(project, &survey, &wanted)?;
    pipeline::beside_services(project, &survey, &plan, session, build, |beside, built| work(Some(beside), built))
}

/// What attributes keep from having mutants, in the files that are asked about.
fn skipped(
    toolbox: &Toolbox,
    cargo_mutants: &Utf8Path,
    request: &Request,
    touched: Option<&Touched>,
) -> Result<Vec<Skipped>, CliError> {
    if matches!(request.scope, Scope::Only { .. }) {
        return Ok(Vec::new());
    }
    let files = mutants::files(toolbox, cargo_mutants, &request.packages)?;
    let asked = files.into_iter().filter(|file| touched.is_none_or(|touched| touched.contains_key(file)));
    let read = |file: String| {
        let source = fs::read_to_string(toolbox.root.join(&file)).unwrap_or_default();
        mutation::skipped(&file, &source)
    };
    Ok(asked.flat_map(read).collect())
}

/// How often the job that this is a step of was started.
fn attempt() -> u32 {
    tollgate_github::attempt(|name| std::env::var(name).ok()).unwrap_or(1)
}

fn untested(config: &MutationConfig) -> CliError {
    let tiers: Vec<&str> = config.tiers.iter().map(TierName::as_str).collect();
    CliError::Untested { tiers: if tiers.is_empty() { "none".to_owned() } else { tiers.join(", ") } }
}

fn not_pinned() -> CliError {
    CliError::usage("cargo-mutants has no version", ["add `cargo-mutants = \"27.1.0\"` to `[tools]`".to_owned()])
}

/// What could notice the mutants of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Noticing {
    /// The packages whose tests could.
    packages: Vec<String>,
    /// Whether a program that a service runs is made of it.
    is_served: bool,
    /// Whether a procedural macro or a build script is, which is at work while others compile.
    is_compiling: bool,
}

/// All packages whose tests could notice a mutant.
fn packages(noticing: &BTreeMap<String, Noticing>) -> BTreeSet<String> {
    noticing.values().flat_map(|one| one.packages.iter().cloned()).collect()
}

/// For every mutated package what could notice its mutants: those that depend on it. A program that a service runs is asked by
/// tests that need not depend on it, so all could notice what is in one.
fn noticing(graph: &Graph, listed: &[Mutant], members: &[Member], programs: &[String]) -> BTreeMap<String, Noticing> {
    let runs = |member: &Member| member.binaries.iter().any(|binary| programs.contains(binary));
    let mutated: BTreeSet<&String> = listed.iter().map(|mutant| &mutant.package).collect();
    let of = |package: &String| {
        let mut dependents = graph.dependents(package);
        dependents.packages.retain(|name| members.iter().any(|member| member.name == *name));
        let is_served = members.iter().any(|member| runs(member) && dependents.packages.contains(&member.name));
        let all = || members.iter().map(|member| member.name.clone()).collect();
        let packages = if is_served { all() } else { dependents.packages.into_iter().collect() };
        (package.clone(), Noticing { packages, is_served, is_compiling: dependents.compile })
    };
    mutated.into_iter().map(of).collect()
}

/// Judges a report and keeps it. `accepting` has the stored survivors, where those of the report take their place.
fn conclude(
    mut report: MutationReport,
    project: &Project,
    accepting: Option<&[SurvivorKey]>,
    workspace: &Workspace,
    directory: &Utf8Path,
    session: &Session,
) -> Result<MutationReport, CliError> {
    if let Some(old) = accepting {
        accept(&project.root, old, &report)?;
    }
    judge(&mut report, project, &workspace.members, session)?;
    keep(&report, directory)?;
    Ok(report)
}

/// Compares a whole with the stored survivors, and applies the configured gates.
fn judge(
    report: &mut MutationReport,
    project: &Project,
    members: &[Member],
    session: &Session,
) -> Result<(), CliError> {
    if report.scope == Scope::All
        && let Some(known) = survivors(&project.root)?
    {
        report.comparison = Some(compare(&known, &report.results));
    }
    let config = &project.config.mutation;
    report.gates = gates(report, config.max_missed_in_diff, config.ratchet);
    report.gates.extend(floors(report, &config.floors, members));
    report.wall_ms = millis(session.began);
    Ok(())
}

/// Keeps the report where others look for it.
fn keep(report: &MutationReport, directory: &Utf8Path) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    write(&directory.join("report.json"), &text)?;
    // Small, and all that a job with a writing token reads.
    write(&directory.join("mutants.json"), &serde_json::to_string(&brief_of_mutants(report)).unwrap_or_default())
}

fn write(path: &Utf8Path, text: &str) -> Result<(), CliError> {
    fs::create_dir_all(path.parent().unwrap_or(path))
        .and_then(|()| fs::write(path, text))
        .map_err(|source| CliError::Machine { what: format!("can't write {path}"), source })
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The error of a run that a signal ended.
fn interrupted(session: &Session) -> Option<CliError> {
    session.interrupt.signal().map(|signal| CliError::Interrupted { signal: signal_name(signal) })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_survivor_that_blocks_or_is_stored_is_tried_by_itself_unless_the_set_has_it() {
        let mutant = Mutant {
            name: "a.rs:1:1: replace f with 0".to_owned(),
            file: "a.rs".to_owned(),
            package: "a".to_owned(),
            function: None,
            lines: (1, 1),
            replacement: "0".to_owned(),
            genre: "FnValue".to_owned(),
            diff: String::new(),
        };
        let (listed, name) = ([mutant.clone()], BTreeSet::from([mutant.name.clone()]));
        let key: SurvivorKey =
            serde_json::from_str(r#"{"file":"a.rs","function":null,"replacement":"replace f with 0"}"#).unwrap();
        let of_part =
            |shard: Option<Partition>, scope: Scope, accept: bool, ratchet: bool, stored: Option<&[SurvivorKey]>| {
                let request =
                    Request { scope, shard, packages: Vec::new(), budget: None, iterate: false, accept, engine: None };
                let config = MutationConfig {
                    tiers: Vec::new(),
                    budget_ms: 1,
                    suppressions: Vec::new(),
                    max_missed_in_diff: None,
                    ratchet,
                    floors: BTreeMap::new(),
                };
                counted(&request, &config, stored, &listed)
            };
        let of = |scope, accept, ratchet, stored| of_part(None, scope, accept, ratchet, stored);
        let half = |ratchet| of_part("1/2".parse().ok(), Scope::All, false, ratchet, None);
        assert_eq!([half(true), half(false)], [Counted::Known(BTreeSet::new()), Counted::All]);
        let (none, known) = (Some(&[][..]), std::slice::from_ref(&key));
        assert_eq!(of(Scope::Only { name: "f".to_owned() }, false, false, Some(known)), Counted::Noticed);
        assert_eq!(of(Scope::All, false, false, none), Counted::All);
        assert_eq!(of(Scope::All, false, true, None), Counted::All);
        assert_eq!(of(Scope::All, false, true, none), Counted::Known(BTreeSet::new()));
        assert_eq!(of(Scope::All, false, true, Some(known)), Counted::Known(name.clone()));
        assert_eq!(of(Scope::All, true, false, None), Counted::Known(BTreeSet::new()));
        assert_eq!(of(Scope::All, true, false, Some(known)), Counted::Known(name));
    }
}
