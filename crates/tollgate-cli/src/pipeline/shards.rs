//! The line cut into pieces: the plan of all shards, one shard, and the union of what they hand back.

use super::{
    Survey, finish, report,
    run::{Packed, Purpose, Run, run_id},
    tiers,
};
use crate::{
    args::ShardArgs,
    durations,
    error::CliError,
    memory::Memory,
    project::{Project, variables},
    self_test,
    session::Session,
};
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Instant,
};
use tollgate_core::{
    plan::{Assigned, Listed, assign},
    shard::{
        Count, Durations, Jobs, Listing, digest_is_true, for_shard, judge_union, spread as pack_tests, unite,
        without_plan,
    },
};
use tollgate_env::EnvError;
use tollgate_model::{
    Archive, BuildKind, BuildPlan, Event, ExitStatus, LogLevel, Plan, Receipt, RunInfo, SCHEMA, ServiceName, Skip,
    SpreadPlan, TestId, TierName, Verdict,
};
use tollgate_store::RunDir;
use tollgate_tools::{Toolbox, cargo, git, nextest};

/// Name of the build that is packed up, beside the plan.
pub(crate) const ARCHIVE: &str = "tests.tar.zst";

/// Builds the tests, lists them and packs them into shards by their recorded durations.
///
/// The instrumented build is packed up into `archive`, where one is named. A build of another kind is not: the tiers that
/// need it stay whole, so it is made once all the same, by their shard and beside the others.
///
/// # Errors
/// When the build fails, or a test is in no tier or in several.
pub(crate) fn spread(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    session: &Session,
    count: Count,
    archive: Option<&Utf8Path>,
) -> Result<SpreadPlan, CliError> {
    let Some(first) = plan.builds.first() else {
        return Err(CliError::usage("the stage has no tier, so there is nothing to spread", []));
    };
    let toolbox = Toolbox::new(survey.workspace.root.clone(), session.halt.clone(), &survey.tools);
    let out = survey.workspace.target_directory.join("tollgate/plan");
    let reporter = &session.reporter;
    let on_line = &mut |line: &str| reporter.emit(&Event::Output { tool: "cargo".to_owned(), line: line.to_owned() });
    let built = nextest::build(&toolbox, first, &out, &programs(plan)?, on_line)?;
    let listed = tiers::list(&toolbox, plan, &built)?;
    let Assigned { tests, left_out } =
        assign(plan, &listed).map_err(|errors| CliError::usage(errors.to_string(), errors.hints()))?;
    tiers::say_left_out(&left_out, session);
    let ignored = tiers::ignored(&toolbox, plan, &built, &listed)?;
    // Before it, a binary that can't list its tests would be packed up for nothing.
    let archive = archive.filter(|_| first.kind == BuildKind::Instrumented);
    let archive = archive.map(|file| pack_up(&toolbox, first, &built, file, session)).transpose()?;
    let listing = Listing {
        archive,
        dirty: survey.head.as_ref().is_some_and(|(_, dirty)| *dirty),
        skips: skips(plan, &listed, &left_out, &ignored),
        tests,
        commit: survey.head.clone().map(|(commit, _)| commit),
        toolchain: survey.toolchain.clone(),
    };
    Ok(pack_tests(plan, listing, &durations::recorded(&project.root, session), count))
}

/// The workspace's programs that services of the plan's tiers run; the build has to have them.
fn programs(plan: &Plan) -> Result<Vec<String>, CliError> {
    let Some(file) = &plan.compose_file else { return Ok(Vec::new()) };
    let compose = tollgate_env::load(file, &variables()).map_err(EnvError::File)?;
    let services: Vec<ServiceName> = plan.tiers_to_run().flat_map(|tier| tier.services.clone()).collect();
    Ok(compose.workspace_services(&services).into_iter().map(|(_, binary)| binary).collect())
}

/// Packs the build up, saying how large it is and how long that took.
fn pack_up(
    toolbox: &Toolbox,
    plan: &BuildPlan,
    built: &nextest::Built,
    file: &Utf8Path,
    session: &Session,
) -> Result<Archive, CliError> {
    let (began, reporter) = (Instant::now(), &session.reporter);
    let on_line = &mut |line: &str| reporter.emit(&Event::Output { tool: "nextest".to_owned(), line: line.to_owned() });
    let archive = nextest::archive(toolbox, plan, built, file, on_line)?;
    let (megabytes, seconds) = (archive.bytes.div_ceil(1_000_000), began.elapsed().as_secs_f64());
    reporter.say(LogLevel::Note, format!("the build is packed up in {file}: {megabytes} MB, {seconds:.1} s"));
    Ok(archive)
}

/// Tests that a plan does not run, with the reason.
fn skips(
    plan: &Plan,
    listed: &BTreeMap<TierName, Listed>,
    left_out: &BTreeMap<TierName, Vec<TestId>>,
    ignored: &BTreeMap<TierName, Vec<TestId>>,
) -> Vec<Skip> {
    let tier_of = |test: &TestId| ignored.iter().find(|(_, tests)| tests.contains(test)).map(|(tier, _)| tier.clone());
    let all: BTreeSet<&TestId> = listed.values().flat_map(|listed| &listed.ignored).collect();
    let skip =
        |test: &TestId, ignored_in, reason: &str| Skip { test: test.clone(), ignored_in, reason: reason.to_owned() };
    let mut skips: Vec<Skip> =
        all.into_iter().map(|test| skip(test, tier_of(test), "it is marked #[ignore]")).collect();
    for tier in plan.tiers.iter().filter(|tier| !tier.run) {
        let reason = format!("tier {} is not part of this run", tier.name);
        let matched = listed.get(&tier.name).into_iter().flat_map(|listed| &listed.matched);
        skips.extend(matched.map(|test| skip(test, None, &reason)));
    }
    for (tier, test) in left_out.iter().flat_map(|(tier, tests)| tests.iter().map(move |test| (tier, test))) {
        let why = plan.reach.as_ref().and_then(|reach| reach.leaves_out(tier, test)).unwrap_or("nobody knows why");
        skips.push(skip(test, None, &format!("package {}: {why}", test.package())));
    }
    skips
}

/// Reads a plan of shards, and puts the paths of this checkout into it.
///
/// # Errors
/// When it can't be read, or is not the plan whose digest it carries.
pub(crate) fn read_plan(path: &Utf8Path, root: &Utf8Path) -> Result<(SpreadPlan, Plan), CliError> {
    let hint = || "`cargo xtask plan --shards N --format json` makes a plan".to_owned();
    let text = fs::read_to_string(path).map_err(|source| CliError::Read {
        path: path.to_owned(),
        source,
        hints: vec![hint()],
    })?;
    let wrong = |what: String| CliError::usage(format!("{path}: {what}"), [hint()]);
    let plan: SpreadPlan = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    digest_is_true(&plan).map_err(|error| wrong(error.to_string()))?;
    let here = moved(&plan.plan, root);
    Ok((plan, here))
}

/// A plan with the paths of another checkout of the same sources.
fn moved(plan: &Plan, root: &Utf8Path) -> Plan {
    let inside =
        |path: &Utf8Path| path.strip_prefix(&plan.workspace_root).map_or(path.to_owned(), |path| root.join(path));
    Plan {
        compose_file: plan.compose_file.as_deref().map(inside),
        target_directory: inside(&plan.target_directory),
        workspace_root: root.to_owned(),
        ..plan.clone()
    }
}

/// Runs what a plan says for one shard, and writes its receipt to `out`; also where the run is cut short.
///
/// # Errors
/// When the plan has no such shard, the sources are not those it was made of, or the receipt can't be written.
pub(crate) fn execute_shard(
    project: &Project,
    plan: &SpreadPlan,
    here: &Plan,
    asked: &ShardArgs,
    attempt: u32,
    out: &Utf8Path,
    session: &Session,
) -> Result<Verdict, CliError> {
    let which = asked.shard;
    let Some(shard) = plan.shards.iter().find(|shard| shard.shard == which) else {
        let last = plan.shards.last().map_or_else(String::new, |shard| shard.shard.to_string());
        return Err(CliError::usage(format!("the plan has no shard {which}"), [format!("its last one is {last}")]));
    };
    let survey = super::survey(project, session)?.compared_with(plan.plan.base.as_deref(), session)?;
    same_sources(plan, &survey)?;
    let survey = survey.with_baseline(&plan.plan, session);
    let own = Plan { target_directory: survey.workspace.target_directory.clone(), ..here.clone() };
    let own = for_shard(&SpreadPlan { plan: own, ..plan.clone() }, shard);
    let needed = own.builds.iter().any(|build| build.kind == BuildKind::Instrumented);
    let packed = packed(plan, asked, session)?.filter(|_| needed);
    if let Some(packed) = packed.as_ref().filter(|packed| packed.target_directory != own.target_directory) {
        let why = format!(
            "the build was made in {}: tests that look there for the workspace's programs or files don't find them",
            packed.target_directory
        );
        session.reporter.say(LogLevel::Warning, why);
    }
    let mut run = Run::open(project, &survey, &own, session, Purpose::Verdict)?;
    run.chosen = Some(shard.tests.clone());
    run.packed = packed;
    let (evidence, verdict, _) = finish(&run)?;
    let (digest, passed) = (plan.digest.clone(), verdict.exit_status(false) == ExitStatus::Passed);
    let receipt = Receipt { schema: SCHEMA, digest, shard: which, attempt, passed, evidence };
    write_receipt(&receipt, &run.directory, out)
        .map_err(|source| CliError::Machine { what: format!("can't write the receipt to {out}"), source })?;
    Ok(verdict)
}

/// The build that the shard was handed, where it is the plan's.
fn packed(plan: &SpreadPlan, asked: &ShardArgs, session: &Session) -> Result<Option<Packed>, CliError> {
    let beside = Some(asked.plan.with_file_name(ARCHIVE)).filter(|file| plan.archive.is_some() && file.is_file());
    let (file, archive) = match (asked.archive.as_ref().or(beside.as_ref()), &plan.archive) {
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            let what = format!(
                "this shard builds for itself what the plan has packed up: there is no {ARCHIVE} beside the plan"
            );
            session.reporter.say(LogLevel::Warning, what);
            return Ok(None);
        }
        (Some(file), None) => {
            let hint = "make the plan without `--no-archive`, or leave `--archive` out".to_owned();
            return Err(CliError::usage(format!("the plan has no build packed up, so {file} is not its own"), [hint]));
        }
        (Some(file), Some(archive)) => (file, archive),
    };
    let hints =
        || ["take both from the same `cargo xtask plan --shards`; the archive is written beside the plan".to_owned()];
    if !file.is_file() {
        return Err(CliError::usage(format!("there is no archive {file}"), hints()));
    }
    let (digest, _) = nextest::digest(file)?;
    if digest != archive.digest {
        let message = format!("{file} is {digest}, and the plan's archive is {}", archive.digest);
        return Err(CliError::usage(message, hints()));
    }
    Ok(Some(Packed {
        file: file.clone(),
        archive: archive.clone(),
        workspace_root: plan.plan.workspace_root.clone(),
        target_directory: plan.plan.target_directory.clone(),
    }))
}

fn same_sources(plan: &SpreadPlan, survey: &Survey) -> Result<(), CliError> {
    let commit = survey.head.as_ref().map(|(commit, _)| commit);
    let known = |commit: Option<&String>| commit.map_or_else(|| "no commit".to_owned(), ToString::to_string);
    let hint = "make the plan and run its shards on the same commit and toolchain".to_owned();
    if commit != plan.commit.as_ref() {
        let message = format!("the plan is of {}, and this is {}", known(plan.commit.as_ref()), known(commit));
        return Err(CliError::usage(message, [hint]));
    }
    if survey.toolchain != plan.toolchain {
        let message = format!("the plan is of {}, and this is {}", plan.toolchain, survey.toolchain);
        return Err(CliError::usage(message, [hint]));
    }
    Ok(())
}

/// The receipt, and beside it what others read: JUnit, and coverage where there is some.
fn write_receipt(receipt: &Receipt, directory: &RunDir, out: &Utf8Path) -> std::io::Result<()> {
    fs::create_dir_all(out)?;
    let draft = out.join("receipt.json.draft");
    fs::write(&draft, serde_json::to_string(receipt)?)?;
    fs::rename(&draft, out.join("receipt.json"))?;
    for name in ["junit.xml", "coverage/lcov.info", "run.log"] {
        let (from, to) = (directory.file(name), out.join(name.rsplit('/').next().unwrap_or(name)));
        if from.is_file() {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// Unites the receipts below the directories, judges them as a single run is judged, and reports. `jobs` is what others than
/// the shards say of them.
///
/// # Errors
/// When the reports can't be written.
pub(crate) fn execute_gate(
    project: &Project,
    plan: &SpreadPlan,
    here: &Plan,
    directories: &[Utf8PathBuf],
    jobs: Option<&Jobs>,
    session: &Session,
) -> Result<Verdict, CliError> {
    let (receipts, unreadable) = receipts(directories);
    let started_at = Timestamp::now();
    let run = RunInfo {
        id: run_id(started_at),
        started_at,
        stage: here.stage.clone(),
        commit: plan.commit.clone(),
        dirty: false,
        toolchain: plan.toolchain.clone(),
        partition: None,
        parts: Vec::new(),
        wall_ms: 0,
    };
    let directory = project.runs.create(&run.id)?;
    session.reporter.log_to(directory.event_log()?);
    directory.write_plan(here)?;
    let mut union = unite(plan, &receipts, run);
    for (file, why) in &unreadable {
        union.complain_of(file, why);
    }
    if let Some(jobs) = jobs {
        union.hold_against(jobs, &receipts);
    }
    let memory = Memory::open(project);
    union.evidence.flakes = memory.flakes(&union.evidence, here);
    union.evidence.growth = memory.growth(&union.evidence);
    union.evidence.self_tests = self_test::recent(&project.root, union.evidence.run.started_at, session);
    let verdict = judge_union(&union, plan);
    let trouble = memory.remember(&union.evidence, &verdict, here, session);
    union.evidence.remarks.extend(trouble);
    report::write_to(session, &directory, &project.root, &union.evidence, &verdict, union.balance.clone())?;
    report::annotate(session, &union.evidence, &verdict);
    if !here.is_narrowed_by_reach() {
        durations::remember(&project.root, Durations::of_union(&union), session);
    }
    Ok(verdict)
}

/// Reports that there is no plan, since these jobs did not work, each with how it ended.
///
/// # Errors
/// When the reports can't be written.
pub(crate) fn execute_gate_without_plan(
    project: &Project,
    failed: &[(String, String)],
    session: &Session,
) -> Result<Verdict, CliError> {
    let started_at = Timestamp::now();
    let unknown = |_| "unknown".to_owned();
    let run = RunInfo {
        id: run_id(started_at),
        started_at,
        stage: project.config.default_stage.clone(),
        commit: git::head(&project.root, &session.interrupt).map(|(commit, _)| commit),
        dirty: false,
        toolchain: cargo::toolchain(&project.root, &session.interrupt).unwrap_or_else(unknown),
        partition: None,
        parts: Vec::new(),
        wall_ms: 0,
    };
    let directory = project.runs.create(&run.id)?;
    session.reporter.log_to(directory.event_log()?);
    let (evidence, verdict) = without_plan(run, failed);
    report::write_to(session, &directory, &project.root, &evidence, &verdict, Vec::new())?;
    report::annotate(session, &evidence, &verdict);
    Ok(verdict)
}

/// Deepest directory below those that were named in which a receipt is looked for.
const DEPTH_MAX: usize = 4;

/// Every receipt that is found, and the files that should be one and can't be read, each with why.
fn receipts(directories: &[Utf8PathBuf]) -> (Vec<Receipt>, Vec<(Utf8PathBuf, String)>) {
    let (mut files, mut receipts, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for directory in directories {
        find(directory, DEPTH_MAX, &mut files);
    }
    files.sort();
    files.dedup();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string());
        match text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string())) {
            Ok(receipt) => receipts.push(receipt),
            Err(why) => unreadable.push((file, why)),
        }
    }
    (receipts, unreadable)
}

fn find(directory: &Utf8Path, depth: usize, found: &mut Vec<Utf8PathBuf>) {
    let Ok(entries) = directory.read_dir_utf8() else { return };
    for entry in entries.flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory && depth > 0 {
            find(entry.path(), depth - 1, found);
        } else if entry.file_name() == "receipt.json" {
            found.push(entry.path().to_owned());
        }
    }
}
