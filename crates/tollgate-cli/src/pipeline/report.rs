//! Report: every form of the verdict, in the run's directory, on the terminal and in the step summary.

use super::run::Run;
use crate::{args::RunFormat, console::Console, error::CliError, session::Session};
use camino::Utf8Path;
use tollgate_core::{
    coverage::lines,
    report::{self, Note, Options},
};
use tollgate_github::{Annotation, annotation, warning};
use tollgate_model::{BriefShard, Event, Evidence, LogLevel, Verdict};
use tollgate_store::RunDir;

/// Writes all reports; the verdict is already made, so what can't be written for Actions is only said.
pub(super) fn write(run: &Run<'_>, evidence: &Evidence, verdict: &Verdict) -> Result<(), CliError> {
    write_to(run.session, &run.directory, &run.plan.workspace_root, evidence, verdict, Vec::new())?;
    // A shard of a plan says nothing on the diff: its gate has the failures of all shards, and ranks them.
    if run.chosen.is_none() {
        annotate(run.session, evidence, verdict);
    }
    Ok(())
}

/// Writes all reports to a directory; `root` is what its path is shown relative to, `shards` those of a run that was spread.
pub(super) fn write_to(
    session: &Session,
    directory: &RunDir,
    root: &Utf8Path,
    evidence: &Evidence,
    verdict: &Verdict,
    shards: Vec<BriefShard>,
) -> Result<(), CliError> {
    let reporter = &session.reporter;
    directory.write_evidence(evidence)?;
    directory.write_verdict(verdict)?;
    directory.write("junit.xml", report::junit(evidence))?;
    let markdown = report::markdown(evidence, verdict);
    directory.write("summary.md", &markdown)?;
    let brief = report::brief(evidence, verdict, None, shards);
    directory.write("brief.json", serde_json::to_string(&brief).unwrap_or_default())?;
    directory.write("report.html", report::html(evidence, verdict))?;
    if let Some(coverage) = &evidence.coverage {
        directory.write("coverage/lcov.info", report::lcov(coverage))?;
        directory.write("coverage/cobertura.xml", report::cobertura(coverage))?;
        directory.write("coverage/sonar.xml", report::sonar(coverage))?;
        directory.write_coverage_lines(&lines(coverage))?;
    }
    for gate in &verdict.gates {
        reporter.emit(&Event::Gate(gate.clone()));
    }
    let console = reporter.console();
    if reporter.format() == Some(RunFormat::Text) {
        let options =
            Options { width: console.width(), color: Console::color(), run_dir: Some(shown(directory, root)) };
        // Of evidence without secrets; a name that looks like one must stay the test's.
        console.whole_data(&report::terminal(evidence, verdict, &options));
    }
    if let Some(actions) = reporter.actions()
        && let Err(error) = actions.append_summary(&markdown)
    {
        reporter.say(LogLevel::Warning, error.to_string());
    }
    let exit_code = verdict.exit_status(false).code();
    if let Some(own_ms) = own_cpu_ms() {
        reporter.note("tollgate", &format!("own CPU time {own_ms} ms of a run of {} ms", evidence.run.wall_ms));
    }
    reporter.emit(&Event::RunFinished { outcome: verdict.outcome, exit_code, wall_ms: evidence.run.wall_ms });
    Ok(())
}

/// CPU time of this process without its children, in milliseconds: fields 14 and 15 of `/proc/self/stat`, which count
/// ticks of 10 ms.
fn own_cpu_ms() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let ticks = |field: usize| after_name.split_whitespace().nth(field - 3)?.parse::<u64>().ok();
    Some((ticks(14)? + ticks(15)?) * 10)
}

/// The run's directory as people type it: relative to the root of the workspace where that is shorter.
fn shown(directory: &RunDir, root: &Utf8Path) -> String {
    let path = directory.path();
    path.strip_prefix(root).unwrap_or(path).to_string()
}

/// Names on the diff what matters most, in a step of Actions whose output people read.
pub(super) fn annotate(session: &Session, evidence: &Evidence, verdict: &Verdict) {
    if session.reporter.actions().is_none() || session.reporter.format() != Some(RunFormat::Text) {
        return;
    }
    for Note { error, place, title, message } in report::notes(evidence, verdict) {
        let (file, line) = place.unzip();
        let place = Annotation { file, line, title, message };
        let command = if error { annotation(&place) } else { warning(&place) };
        session.reporter.console().command(&command);
    }
}
