//! Collect: raw profiles become coverage by file, line and tier, with the proof that it is complete.
//!
//! A service serves several tiers and has one profile; what it counted is put to the first tier that needs it.

use super::{
    build::Build,
    parsed::Parsed,
    run::{Record, Run},
};
use camino::{Utf8Path, Utf8PathBuf};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
};
use tollgate_core::coverage::{mark_test_code, parse_lcov, union};
use tollgate_model::{
    BuildKind, CoverageEvidence, CoverageProof, FileCoverage, LogLevel, Member, Plan, ServiceProfile, Step, TierName,
};
use tollgate_tools::{
    ToolError,
    coverage::{self, Exported, Merged, Objects},
};

/// Why there is no coverage.
#[derive(Debug, thiserror::Error)]
enum CollectError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("llvm-cov wrote what is no LCOV: {0}")]
    Lcov(#[from] tollgate_core::coverage::LcovError),
}

/// Collects the coverage of a run that got to its end; one that did not has none, and its gates say so.
pub(super) fn coverage(run: &Run<'_>, record: &mut Record, build: Option<&Build>) {
    let tiers = run.plan.tiers_to_run().filter(|tier| tier.build == BuildKind::Instrumented);
    let tiers: Vec<TierName> = tiers.map(|tier| tier.name.clone()).collect();
    let Some(build) = build.filter(|_| run.plan.policy.coverage.is_some() && !tiers.is_empty() && record.is_complete())
    else {
        return;
    };
    let services = std::mem::take(&mut record.services);
    match run.step(Step::Collect, "coverage", || collect(run, build, tiers, services)) {
        Ok(evidence) => record.coverage = Some(evidence),
        Err(error) => run.session.reporter.say(LogLevel::Warning, format!("there is no coverage: {error}")),
    }
}

fn collect(
    run: &Run<'_>,
    build: &Build,
    tiers: Vec<TierName>,
    services: Vec<(TierName, ServiceProfile)>,
) -> Result<CoverageEvidence, CollectError> {
    let mut proof = CoverageProof::default();
    let mut merged = Vec::new();
    for tier in &tiers {
        let one = merge_tier(run, tier, &services)?;
        proof.empty_profiles += one.empty;
        proof.complaints.extend(one.complaints.iter().cloned());
        merged.push(one);
    }
    for tier in &tiers {
        let profiles = coverage::raw_profiles(&tier_profiles(run, tier))?.count();
        proof.profiles.insert(tier.clone(), profiles);
    }
    for (_, service) in services {
        proof.services.push(counted(run, service)?);
    }
    let profiles: Vec<Utf8PathBuf> = merged.iter().filter_map(|merged| merged.profile.clone()).collect();
    let exported = thread::scope(|scope| {
        let html = scope.spawn(|| write_html(run, build, &profiles));
        let exported = export_tiers(run, build, &merged);
        html.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        exported
    })?;
    let mut parsed = Vec::new();
    let mut complaints = BTreeSet::new();
    for (tier, exported) in tiers.iter().zip(exported) {
        complaints.extend(exported.complaints);
        parsed.push((tier.clone(), parse_lcov(&exported.lcov)?));
    }
    proof.complaints.extend(complaints);
    let mut files = union(&parsed, &compiled(run));
    let parsed = Parsed::of(run);
    let source = |path: &str| fs::read_to_string(run.plan.workspace_root.join(path)).ok();
    parsed.remember(mark_test_code(&mut files, &source, parsed.known()));
    let unmeasured = unmeasured(run.plan, &files);
    Ok(CoverageEvidence { tiers, files, unmeasured, proof })
}

/// How large the members are of which nothing was measured, and which the policy does not leave out by name.
fn unmeasured(plan: &Plan, files: &[FileCoverage]) -> BTreeMap<String, u64> {
    let excluded = plan.policy.coverage.iter().flat_map(|policy| &policy.excluded_packages);
    let left_out: BTreeSet<&str> = excluded.map(|exclusion| exclusion.what.as_str()).collect();
    let measured: BTreeSet<&str> = files.iter().map(|file| file.package.as_str()).collect();
    let members = plan.members.iter().filter(|member| {
        let name = member.name.as_str();
        !measured.contains(name) && !left_out.contains(name)
    });
    let sized = |member: &Member| {
        let source = plan.workspace_root.join(&member.directory).join("src");
        (member.name.clone(), source_lines(&source))
    };
    members.map(sized).collect()
}

/// Lines of the Rust files below a directory that are neither empty nor comment alone; a file that can't be read has none.
fn source_lines(directory: &Utf8Path) -> u64 {
    let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let sizes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => source_lines(entry.path()),
        Ok(kind) if kind.is_file() && entry.path().extension() == Some("rs") => {
            fs::read_to_string(entry.path()).map_or(0, |text| text.lines().filter(is_code).count() as u64)
        }
        _ => 0,
    });
    sizes.sum()
}

/// The plan with the paths that the compiler saw: those of another machine, where the build was made there.
fn compiled(run: &Run<'_>) -> Plan {
    match &run.packed {
        Some(packed) => Plan {
            workspace_root: packed.workspace_root.clone(),
            target_directory: packed.target_directory.clone(),
            ..run.plan.clone()
        },
        None => run.plan.clone(),
    }
}

fn tier_profiles(run: &Run<'_>, tier: &TierName) -> Utf8PathBuf {
    run.profiles().join(format!("tier-{tier}"))
}

fn merge_tier(run: &Run<'_>, tier: &TierName, services: &[(TierName, ServiceProfile)]) -> Result<Merged, ToolError> {
    let of_tier = services.iter().filter(|(first, _)| first == tier);
    let served = of_tier.map(|(_, service)| run.profiles().join(service.service.as_str()));
    let inputs: Vec<Utf8PathBuf> = std::iter::once(tier_profiles(run, tier)).chain(served).collect();
    coverage::merge(&run.toolbox, &inputs, &run.directory.file(&format!("coverage/{tier}.profdata")))
}

/// Each export takes one core; two at once is what the smallest runner has.
fn export_tiers(run: &Run<'_>, build: &Build, merged: &[Merged]) -> Result<Vec<Exported>, ToolError> {
    let objects = build.built.objects();
    thread::scope(|scope| {
        let export = |merged: &Merged| {
            let (profile, objects) = (merged.profile.clone(), &objects);
            scope.spawn(move || match profile {
                Some(profile) => coverage::export(&run.toolbox, objects, &profile),
                None => Ok(Exported::default()),
            })
        };
        let handles: Vec<_> = merged.iter().map(export).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// The pages are for people; that they can't be written changes no verdict.
fn write_html(run: &Run<'_>, build: &Build, profiles: &[Utf8PathBuf]) {
    let all = run.directory.file("coverage/all.profdata");
    let written = coverage::merge(&run.toolbox, profiles, &all).and_then(|merged| match merged.profile {
        Some(profile) => {
            let objects = Objects { built: &build.built, profile: &profile };
            coverage::html(&run.toolbox, objects, &run.directory.file("coverage")).map(|_| ())
        }
        None => Ok(()),
    });
    if let Err(error) = written {
        run.session.reporter.say(LogLevel::Warning, format!("coverage/html can't be written: {error}"));
    }
}

fn counted(run: &Run<'_>, service: ServiceProfile) -> Result<ServiceProfile, ToolError> {
    let found = coverage::raw_profiles(&run.profiles().join(service.service.as_str()))?;
    let empty = u32::try_from(found.empty.len()).unwrap_or(u32::MAX);
    Ok(ServiceProfile { profiles: found.count(), empty, ..service })
}
