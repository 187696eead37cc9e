//! What load tests measure: read from the files that they write, and measured again while it decides nothing.

use super::{
    again::{self, Limits},
    build::Build,
    run::{Record, Run, Stop},
    tiers::watch,
};
use crate::machine::MachineWatch;
use camino::Utf8Path;
use std::{fs, io};
use tollgate_core::judge::{is_load_unproven, load_doubt};
use tollgate_model::{LoadEvidence, LogLevel, Milliseconds, TestId, TestOutcome, TierPlan};

/// How often a load is run at most, the first time included.
const ROUNDS_MAX: u32 = 3;

/// Runs the tests of a tier with load limits again while what they measured leaves a gate unproven, and one more round fits
/// into the time that the tier has. A round is an attempt of each test, and its time is the tier's. A test that fails then,
/// or a measurement that can't be judged, ends it: what was measured before still counts, and stays unproven.
pub(super) fn extend(
    run: &Run<'_>,
    record: &mut Record,
    place: usize,
    tier: &TierPlan,
    build: &Build,
) -> Result<(), Stop> {
    let Some(limits) = run.plan.policy.load.get(&tier.name) else { return Ok(()) };
    let results = &record.tiers[place].results;
    let tests: Vec<TestId> = results.iter().map(|test| test.id.clone()).collect();
    if results.iter().any(|test| test.outcome() != TestOutcome::Passed) {
        return Ok(());
    }
    let directory = run.directory.file(&format!("nextest/{}", tier.name));
    let mut longest = record.tiers[place].wall_ms;
    for round in 2..=ROUNDS_MAX {
        let unproven = |load: &&LoadEvidence| is_load_unproven(load, limits);
        let loads = record.load.get(&tier.name).into_iter().flatten();
        let names: Vec<String> = loads.filter(unproven).map(|load| load.name.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let what = names.join(", ");
        if room(run, record, place, tier).is_some_and(|room| room < longest) {
            remark(
                run,
                record,
                format!("load {what} is not run again: another round is longer than its tier may take"),
            );
            return Ok(());
        }
        let what = format!("load {what} decides nothing yet: round {round} of {ROUNDS_MAX}");
        run.session.reporter.say(LogLevel::Note, what);
        // What the round before wrote must not be taken for what this one measures.
        if let Err(error) = fs::remove_dir_all(directory.join("load"))
            && error.kind() != io::ErrorKind::NotFound
        {
            remark(run, record, format!("what load {} measured can't be removed: {error}", names.join(", ")));
            return Ok(());
        }
        let watch = watch(run, tier);
        let limits = Limits { test_ms: tier.timeout_ms, round: None };
        let Some(again) = again::execute(run, record, tier, build, &tests, None, limits)? else { return Ok(()) };
        longest = longest.max(again.wall_ms);
        let passed = again.results.iter().filter(|test| test.outcome() == TestOutcome::Passed);
        let passed: Vec<TestId> = passed.map(|test| test.id.clone()).collect();
        record.tiers[place].extend(again.results, again.wall_ms, watch.and_then(MachineWatch::end));
        if let Some(test) = tests.iter().find(|test| !passed.contains(test)) {
            remark(run, record, format!("{test} did not pass when its load was run again, so no more is measured"));
            return Ok(());
        }
        let measured = read(run, &directory);
        let mut own = measured.iter().filter(|again| names.contains(&again.name));
        if let Some((name, why)) = own.find_map(|again| Some((&again.name, unusable(again)?))) {
            remark(run, record, format!("load {name} was run again, and that does not count: {why}"));
            return Ok(());
        }
        // What decides already stays as it is: more could only take a proof away.
        let loads = record.load.entry(tier.name.clone()).or_default();
        for load in loads.iter_mut().filter(|load| names.contains(&load.name)) {
            if let Some(again) = measured.iter().find(|again| again.name == load.name) {
                load.extend(again.clone());
            }
        }
    }
    Ok(())
}

/// What is left of the time that the tier has, and of the suite's as far as its tiers ran here; none where neither is bounded.
fn room(run: &Run<'_>, record: &Record, place: usize, tier: &TierPlan) -> Option<Milliseconds> {
    let left = |budget: Option<Milliseconds>, spent| budget.map(|budget| budget.saturating_sub(spent));
    let own = left(tier.budget_ms, record.tiers[place].wall_ms);
    let all = left(run.plan.policy.suite_budget_ms, record.tiers.iter().map(|tier| tier.wall_ms).sum());
    own.into_iter().chain(all).min()
}

/// Why what was measured once more can't be added to what was measured before.
fn unusable(again: &LoadEvidence) -> Option<String> {
    let is_empty = again.requests == 0;
    load_doubt(again).or_else(|| is_empty.then(|| "there is no request in it".to_owned()))
}

/// Says something now, and in the reports.
fn remark(run: &Run<'_>, record: &mut Record, what: String) {
    run.session.reporter.say(LogLevel::Warning, &what);
    record.remarks.push(what);
}

/// Reads what load tests wrote.
pub(super) fn read(run: &Run<'_>, directory: &Utf8Path) -> Vec<LoadEvidence> {
    let directory = directory.join("load");
    let Ok(entries) = directory.read_dir_utf8() else { return Vec::new() };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path().to_owned()).collect();
    files.sort();
    files.iter().map(|file| read_load(run, file)).collect()
}

/// A file that can't be read is a measurement of nothing, which the gates call invalid; it must not get lost.
fn read_load(run: &Run<'_>, file: &Utf8Path) -> LoadEvidence {
    let text = fs::read_to_string(file).map_err(|error| error.to_string());
    let read = text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    read.unwrap_or_else(|error| {
        run.session.reporter.say(LogLevel::Warning, format!("{file} is no load measurement: {error}"));
        LoadEvidence {
            name: file.file_stem().unwrap_or_default().to_owned(),
            users: 0,
            requests: 0,
            errors: 0,
            latencies_us: Vec::new(),
            sessions: 0,
            sessions_completed: 0,
            sent_late: 0,
            wall_ms: 0,
            samples: Vec::new(),
            extended: 0,
        }
    })
}
