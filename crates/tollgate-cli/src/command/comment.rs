//! `report --comment`: tells the pull request of a run.
//!
//! Everything that decides where a comment goes is from GitHub: the event, or what the server says of it. Of a run that is
//! not trusted only the brief is read, as data.

use crate::{
    args::ReportArgs,
    error::CliError,
    project::{Project, runs},
    session::Session,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::{
    fs,
    io::{ErrorKind, Read as _},
};
use tollgate_core::{
    mutation::MutationReport,
    report::{
        BRIEF_BYTES_MAX, BriefError, MARKER, Source, brief_of_mutants, comment, comment_of_mutants,
        comment_of_unread_brief, comment_of_unread_mutants, comment_without_brief, merged, read_brief, read_mutants,
    },
};
use tollgate_github::{
    FinishedRun, Trigger, attempt,
    rest::{BOT, Client, Told, pull_request_of, tell},
    trigger,
};
use tollgate_model::{Brief, BriefMutants, ExitStatus, LogLevel};

/// Name of the workflow whose runs try mutants.
const MUTANTS: &str = "mutants";

/// The file of the workflow that checks a pull request.
const CHECKS_FILE: &str = ".github/workflows/ci.yml";

/// Creates or updates the comment; where there is no pull request, says so.
pub(crate) fn run(args: &ReportArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let (told, unread) = match &args.untrusted {
        None => (of_own_run(args, session)?, None),
        Some(directory) => of_finished_run(directory, session)?,
    };
    let said = match told {
        None => "there is no pull request to tell".to_owned(),
        Some((number, Told::Created)) => format!("pull request {number}: comment created"),
        Some((number, Told::Updated)) => format!("pull request {number}: comment updated"),
        Some((number, Told::Unchanged)) => format!("pull request {number}: the comment says so already"),
    };
    session.reporter.say(LogLevel::Note, said);
    unread.map_or(Ok(ExitStatus::Passed), Err)
}

/// What became of the comment of which pull request.
type Outcome = Option<(u64, Told)>;

fn of_own_run(args: &ReportArgs, session: &Session) -> Result<Outcome, CliError> {
    let run = runs(&Project::locate()?).open(args.run.as_deref())?;
    let mut brief = brief_of(&run.file("brief.json"))?;
    brief.mutants = args.mutants.as_deref().map(mutants).transpose()?;
    let number = match args.pull_request {
        Some(number) => number,
        None => match event()? {
            Trigger::PullRequest(number) => number,
            Trigger::Finished(_) | Trigger::Other => return Ok(None),
        },
    };
    let page = || {
        Some(format!(
            "{}/{}/actions/runs/{}",
            variable("GITHUB_SERVER_URL")?,
            variable("GITHUB_REPOSITORY")?,
            variable("GITHUB_RUN_ID")?
        ))
    };
    let attempt = attempt(variable);
    let source = Source { run_url: page(), attempt, commit: None, conclusion: None };
    let site = Site::here()?;
    let pause = |time| session.pause(time);
    let client = Client::new(&site.api, &site.token, &session.interrupt, &pause);
    let part = comment(&brief, &source);
    let told = tell(&client, &site.repository, number, BOT, MARKER, &|there| merged(there, &part))?;
    Ok(Some((number, told)))
}

/// The pull request, the conclusion and the page are those of the event that GitHub sent; the brief is a stranger's. Where
/// it can't be read the pull request is told so, and the error is returned beside.
fn of_finished_run(directory: &Utf8Path, session: &Session) -> Result<(Outcome, Option<CliError>), CliError> {
    let Trigger::Finished(run) = event()? else {
        let hint = "`--untrusted` is for a workflow that `workflow_run` starts".to_owned();
        return Err(CliError::usage("the event is not the end of another workflow's run", [hint]));
    };
    let FinishedRun { name, path, event, conclusion, run_attempt, head_sha, head_repository, html_url } = run;
    let Some(head_repository) = head_repository.filter(|_| event == "pull_request") else {
        return Ok((None, None));
    };
    let conclusion = conclusion.unwrap_or_else(|| "unknown".to_owned());
    let (run_url, attempt, commit) = (Some(html_url), Some(run_attempt), Some(head_sha.clone()));
    let source = Source { run_url, attempt, commit, conclusion: Some(conclusion) };
    let site = Site::here()?;
    let pause = |time| session.pause(time);
    let client = Client::new(&site.api, &site.token, &session.interrupt, &pause);
    let found = pull_request_of(&client, &site.repository, &head_sha, &head_repository.full_name)?;
    let Some(number) = found else { return Ok((None, None)) };
    let Some((part, unread)) = told_of(&name, path.as_deref(), directory, &source) else { return Ok((None, None)) };
    let told = tell(&client, &site.repository, number, BOT, MARKER, &|there| merged(there, &part))?;
    Ok((Some((number, told)), unread))
}

/// The part of the comment that tells of a run, and why what the run says of itself can't be read; none where nothing is to
/// be said of it.
fn told_of(run: &str, file: Option<&str>, directory: &Utf8Path, source: &Source) -> Option<(String, Option<CliError>)> {
    // Any workflow can be called as the checks are; only of theirs it means something that there is no brief.
    let is_of_checks = file.and_then(|file| file.split('@').next()).is_none_or(|file| file == CHECKS_FILE);
    let is_there =
        |file: &Utf8Path| !fs::symlink_metadata(file).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    let (brief, mutants) = (directory.join("brief.json"), directory.join("mutants.json"));
    let (part, of_unread): (_, fn(&Source, &str) -> String) = match run {
        // Mutants are advice: of a run that found none out there is nothing to tell.
        MUTANTS if !is_there(&mutants) => return None,
        MUTANTS => {
            (mutants_of(&mutants).map(|mutants| comment_of_mutants(&mutants, source)), comment_of_unread_mutants)
        }
        _ if !is_there(&brief) && !is_of_checks => return None,
        _ if !is_there(&brief) => (Ok(comment_without_brief(source)), comment_of_unread_brief),
        _ => (brief_of(&brief).map(|brief| comment(&brief, source)), comment_of_unread_brief),
    };
    Some(match part {
        Ok(part) => (part, None),
        Err(error) => (of_unread(source, &error.to_string()), Some(error)),
    })
}

fn mutants_of(path: &Utf8Path) -> Result<BriefMutants, CliError> {
    read_mutants(&read(path)?).map_err(|error| not_one(path, &error))
}

fn brief_of(path: &Utf8Path) -> Result<Brief, CliError> {
    read_brief(&read(path)?).map_err(|error| not_one(path, &error))
}

fn not_one(path: &Utf8Path, error: &BriefError) -> CliError {
    CliError::usage(format!("{path} is no brief of a run: {error}"), hints())
}

fn hints() -> Vec<String> {
    vec!["`ci` and `gate` write it to the directory of their run, and `mutants` beside its report".to_owned()]
}

/// Reads a plain file of a bounded size.
fn read(path: &Utf8Path) -> Result<Vec<u8>, CliError> {
    let fail = |source| CliError::Read { path: path.to_owned(), source, hints: hints() };
    if !fs::symlink_metadata(path).map_err(fail)?.is_file() {
        return Err(CliError::usage(format!("{path} is not a plain file"), hints()));
    }
    let mut json = Vec::new();
    // One byte more than is allowed, so that the file can't grow past the limit unseen.
    fs::File::open(path).and_then(|file| file.take(BRIEF_BYTES_MAX + 1).read_to_end(&mut json)).map_err(fail)?;
    Ok(json)
}

fn mutants(path: &Utf8Path) -> Result<BriefMutants, CliError> {
    let hint = "`cargo xtask mutants --diff BASE` writes target/tollgate/mutants/report.json".to_owned();
    let fail = |source| CliError::Read { path: path.to_owned(), source, hints: vec![hint.clone()] };
    let text = fs::read_to_string(path).map_err(fail)?;
    let report: MutationReport = serde_json::from_str(&text)
        .map_err(|error| CliError::usage(format!("{path} is no report of mutants: {error}"), [hint.clone()]))?;
    Ok(brief_of_mutants(&report))
}

/// Where to, and as whom.
struct Site {
    api: String,
    repository: String,
    token: String,
}

impl Site {
    fn here() -> Result<Self, CliError> {
        let need = |name: &str| {
            variable(name).ok_or_else(|| {
                let hint = "a step of GitHub Actions has it; the token is handed over as `env: GITHUB_TOKEN: ${{ github.token }}`";
                CliError::usage(format!("{name} is not set"), [hint.to_owned()])
            })
        };
        let repository = need("GITHUB_REPOSITORY")?;
        let plain =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if repository.split('/').filter(|part| plain(part)).count() != 2 || repository.matches('/').count() != 1 {
            return Err(CliError::usage(format!("GITHUB_REPOSITORY is `{repository}`, and not owner/name"), []));
        }
        let api = variable("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
        Ok(Self { api, repository, token: need("GITHUB_TOKEN")? })
    }
}

fn event() -> Result<Trigger, CliError> {
    let Some(path) = variable("GITHUB_EVENT_PATH").map(Utf8PathBuf::from) else {
        let hint = "outside of GitHub Actions name the pull request with `--pull-request N`".to_owned();
        return Err(CliError::usage("GITHUB_EVENT_PATH is not set", [hint]));
    };
    let text =
        fs::read_to_string(&path).map_err(|source| CliError::Read { path: path.clone(), source, hints: Vec::new() })?;
    trigger(&text).map_err(|error| CliError::usage(format!("{path} is no event of GitHub: {error}"), []))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_workflow_of_ones_own_that_is_called_as_the_checks_are_is_not_told_of() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let directory = Utf8Path::from_path(directory.path()).expect("UTF-8");
        let source = Source { run_url: None, attempt: Some(1), commit: None, conclusion: Some("success".to_owned()) };
        let told = |file| told_of("ci", file, directory, &source).map(|(part, _)| part);
        let own = Some(".github/workflows/own.yml");
        assert_eq!(told(own), None);
        for checks in [Some(".github/workflows/ci.yml"), Some(".github/workflows/ci.yml@refs/heads/main"), None] {
            let part = told(checks).expect("it is told");
            assert!(part.contains("It left no report"), "{part}");
        }
        fs::write(directory.join("brief.json"), "{}").expect("a file");
        assert!(told(own).is_some(), "what it left is told");
    }
}
