//! Reaping: removing what earlier runs left behind, by their ledgers.
//!
//! A run is reaped when its lock is free and its ledger is not finished. Only what the ledger lists is touched: a process
//! by pid, start time and boot, or by the mark of the run in its environment, a directory only where runs keep their state, a shared memory segment only by key, id and
//! creator and with nobody attached, containers by their project. Never by a pattern, an age or an owner.

use crate::EnvError;
use crate::checkout::{base_of, checkout_of, is_checkout_of};
use crate::control_group::ControlGroup;
use crate::engine_compose::{Tool, detect, projects_of, remove_project};
use crate::ledger::{Abandoned, Account, Entry, LedgerError, StopKind, run_directories};
use crate::native::{
    KILL_LIMIT, Removal, Segment, is_state_of, of_run, of_tests, prune, remove_drafts, remove_root_of, roots,
};
use crate::process::{self, ProcessId, Stat, boot_id};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::{self, File};
use std::time::Duration;
use tollgate_exec::{Interrupt, Signal};
use tollgate_model::{Leftover, RunId, ServiceName};

/// How long a service of a dead run may take to stop.
const GRACE: Duration = Duration::from_secs(2);

/// How long a PostgreSQL server that did not stop in time may take to give its clients up.
const QUIT_GRACE: Duration = Duration::from_secs(1);

/// How long the last threads of a killed orchestrator may take to end.
const DYING_LIMIT: Duration = Duration::from_secs(5);

/// How long a process that left its service's group may take to stop.
const STRAY_GRACE: Duration = Duration::from_millis(500);

/// Removes what runs below `runs_root` left that are dead and did not clean up, and says what it was. With `dry_run` it
/// only says so.
///
/// What could not be removed is said too, and stays in its ledger for the next time.
///
/// # Errors
/// When a ledger or a lock can't be used.
pub fn gc(runs_root: &Utf8Path, dry_run: bool) -> Result<Vec<Leftover>, EnvError> {
    let mut leftovers = remove_drafts(dry_run);
    for run_dir in run_directories(runs_root) {
        if let Some(abandoned) = take(&run_dir)? {
            leftovers.extend(reap(&abandoned, dry_run)?);
        }
    }
    Ok(leftovers)
}

/// Takes over a dead run. A killed orchestrator is a zombie already while its last threads, and the lock with them, are on
/// their way out: such a lock is waited for, one of a run that is alive is not.
fn take(run_dir: &Utf8Path) -> Result<Option<Abandoned>, LedgerError> {
    let account = Account::read(run_dir).unwrap_or_default();
    let dying = account.orchestrator().is_some_and(|(_, process, _)| !process.runs());
    if dying { Abandoned::take_within(run_dir, DYING_LIMIT) } else { Abandoned::take(run_dir) }
}

/// Removes what is kept to be fast and was not used for long: prepared data directories. Returns what was removed.
pub fn prune_cache() -> Vec<Utf8PathBuf> {
    prune()
}

/// Whether a run that may not have got to its verdict is over: its ledger is finished and its orchestrator gone. A run
/// without a ledger can't be told from one that has only begun.
pub fn is_torn_down(run_dir: &Utf8Path) -> bool {
    let account = Account::read(run_dir).filter(Account::finished);
    account.is_some_and(|account| account.orchestrator().is_none_or(|(_, process, _)| !process.runs()))
}

/// Whether everything of a run is gone that it wrote into its ledger, and it has finished that.
pub fn is_gone(run_dir: &Utf8Path) -> bool {
    Account::read(run_dir).is_some_and(|account| account.finished())
}

/// Ends what tests of the run in this directory left running, and tells whether all of it is gone: for a run of which nothing
/// is looked for later.
pub fn end_tests(run_dir: &Utf8Path) -> bool {
    let ids: Vec<ProcessId> = of_tests(run_dir).iter().map(|stat| stat.id).collect();
    stop(&ids).is_empty()
}

/// Asks processes to end and then makes them; returns those that stay.
fn stop(processes: &[ProcessId]) -> Vec<ProcessId> {
    process::signal_all(processes, Signal::TERM);
    let staying = process::wait_gone(processes, STRAY_GRACE);
    process::signal_all(&staying, Signal::KILL);
    process::wait_gone(&staying, KILL_LIMIT)
}

/// What one run left that is dead and did not clean up; nothing is removed.
///
/// # Errors
/// When its ledger or its lock can't be used.
pub fn left_by(run_dir: &Utf8Path) -> Result<Vec<Leftover>, EnvError> {
    Abandoned::take(run_dir)?.map_or_else(|| Ok(Vec::new()), |abandoned| reap(&abandoned, true))
}

/// Removes what one dead run left.
pub(crate) fn reap(abandoned: &Abandoned, dry_run: bool) -> Result<Vec<Leftover>, EnvError> {
    let estate = Estate::of(abandoned, dry_run);
    let mut reaped = Reaped::default();
    for line in &abandoned.account.unreadable {
        reaped.tell("ledger", format!("{}: {line}, skipped", estate.run));
    }
    estate.processes(&mut reaped);
    let lost = if abandoned.account.unreadable.is_empty() { Vec::new() } else { estate.unlisted() };
    if !abandoned.account.unreadable.is_empty() {
        estate.unlisted_projects(&mut reaped);
        if let Some(group) = ControlGroup::find(&estate.run) {
            estate.control_group(&group, &mut reaped);
        }
    }
    for entry in &abandoned.account.entries {
        if let Entry::Project { name, command } = entry {
            estate.project(name, command, &mut reaped);
        }
    }
    for entry in &abandoned.account.entries {
        match entry {
            Entry::Directory { path } => estate.directory(path, &mut reaped),
            Entry::Checkout { path } => estate.checkout(path, &mut reaped)?,
            Entry::ControlGroup { path } => {
                if let Some(group) = ControlGroup::of(path, &estate.run).filter(|_| estate.same_boot) {
                    estate.control_group(&group, &mut reaped);
                }
            }
            _ => {}
        }
    }
    if !abandoned.account.unreadable.is_empty() {
        estate.unlisted_checkout(&mut reaped)?;
    }
    for state in &lost {
        estate.directory(state, &mut reaped);
    }
    if !dry_run {
        abandoned.remove_notice()?;
    }
    if reaped.clean && !dry_run {
        abandoned.finish()?;
    }
    Ok(reaped.leftovers)
}

/// What was found and whether all of it is gone.
#[derive(Debug)]
struct Reaped {
    leftovers: Vec<Leftover>,
    /// The processes among them.
    processes: Vec<ProcessId>,
    clean: bool,
}

impl Default for Reaped {
    fn default() -> Self {
        Self { leftovers: Vec::new(), processes: Vec::new(), clean: true }
    }
}

impl Reaped {
    fn tell(&mut self, kind: &str, what: String) {
        self.leftovers.push(Leftover { kind: kind.to_owned(), what });
    }
}

/// A process that a ledger lists, still running.
struct Survivor<'a> {
    service: &'a ServiceName,
    id: ProcessId,
    stop: StopKind,
    /// What it started, which goes with it.
    family: Vec<Stat>,
}

/// What a dead run has left, and how it is dealt with.
struct Estate<'a> {
    run: RunId,
    /// As the run itself knew it.
    run_dir: Utf8PathBuf,
    same_boot: bool,
    entries: &'a [Entry],
    dry_run: bool,
}

impl<'a> Estate<'a> {
    fn of(abandoned: &'a Abandoned, dry_run: bool) -> Self {
        let account = &abandoned.account;
        let header = account.orchestrator();
        // A ledger that lost its first line belongs to the run its directory is named after.
        let named = || RunId::new(abandoned.run_dir.file_name().unwrap_or_default());
        let run = header.map(|(run, ..)| run.clone()).or_else(|| named().ok());
        let run = run.unwrap_or_else(|| RunId::new("unknown").expect("the word is a valid name"));
        let same_boot = header.is_some_and(|(_, _, boot)| boot == boot_id());
        let run_dir = abandoned.run_dir.canonicalize_utf8().unwrap_or_else(|_| abandoned.run_dir.clone());
        Self { run, run_dir, same_boot, entries: &account.entries, dry_run }
    }

    /// What was done, or would be.
    fn done(&self, what: &str) -> String {
        if self.dry_run { format!("would be {what}") } else { format!("was {what}") }
    }

    /// State directories of this run that a damaged ledger does not list: there is one place a run may have its state for
    /// each root, and it is named after the run.
    fn unlisted(&self) -> Vec<Utf8PathBuf> {
        let listed = |path: &Utf8PathBuf| {
            self.entries.iter().any(|entry| matches!(entry, Entry::Directory { path: known } if known == path))
        };
        let mut places: Vec<Utf8PathBuf> = roots().iter().map(|root| root.join(self.run.as_str())).collect();
        places.dedup();
        places.retain(|place| !listed(place) && is_state_of(place, &self.run));
        places
    }

    /// Compose projects of this run that a damaged ledger does not list. A run on the native engine has no file for compose.
    fn unlisted_projects(&self, reaped: &mut Reaped) {
        let listed = self.entries.iter().any(|entry| matches!(entry, Entry::Project { .. }));
        if listed || !self.run_dir.join("compose.json").exists() {
            return;
        }
        match Interrupt::new().map_err(|error| vec![error.to_string()]).and_then(|calm| detect(&calm)) {
            Ok(tool) => {
                for project in projects_of(&tool, &self.run) {
                    self.project(&project, tool.command(), reaped);
                }
            }
            Err(tried) => {
                reaped.clean = false;
                reaped.tell("project", format!("of run {} can't be looked for: {}", self.run, tried.join("; ")));
            }
        }
    }

    /// The checkout of the runs beside this one, where a damaged ledger does not list it.
    fn unlisted_checkout(&self, reaped: &mut Reaped) -> Result<(), EnvError> {
        let listed = self.entries.iter().any(|entry| matches!(entry, Entry::Checkout { .. }));
        match checkout_of(&self.run_dir).filter(|tree| !listed && tree.exists()) {
            Some(tree) => self.checkout(&tree, reaped),
            None => Ok(()),
        }
    }

    fn survivors(&self) -> Vec<Survivor<'a>> {
        let (boot, all) = (boot_id(), process::all());
        let survivor = |entry: &'a Entry| match entry {
            Entry::Process { service, process, boot_id, stop } if *boot_id == boot && process.runs() => {
                let family = process::descendants(&all, process.pid, None);
                Some(Survivor { service, id: *process, stop: *stop, family })
            }
            _ => None,
        };
        self.entries.iter().filter_map(survivor).collect()
    }

    fn processes(&self, reaped: &mut Reaped) {
        let survivors = self.survivors();
        if !self.dry_run {
            end(&survivors);
        }
        for survivor in &survivors {
            let gone = !survivor.id.runs();
            reaped.clean &= gone;
            let end = if gone || self.dry_run { self.done("ended") } else { "is still there after SIGKILL".to_owned() };
            let Survivor { service, id, .. } = survivor;
            reaped.tell("process", format!("{} of service `{service}` of run {} {end}", id.pid, self.run));
        }
        reaped.processes =
            survivors.iter().flat_map(|one| one.family.iter().map(|stat| stat.id).chain([one.id])).collect();
        self.strays(reaped);
    }

    /// Processes with the mark of the run that no service's process leads to any more: they left its group, and the keeper
    /// that was to be their parent was killed too.
    fn strays(&self, reaped: &mut Reaped) {
        let mut strays = of_run(&self.run, &self.run_dir);
        strays.retain(|stat| !reaped.processes.contains(&stat.id));
        let ids: Vec<ProcessId> = strays.iter().map(|stat| stat.id).collect();
        reaped.processes.extend(&ids);
        if !self.dry_run {
            stop(&ids);
        }
        for stat in &strays {
            let gone = !stat.id.runs();
            reaped.clean &= gone;
            let end = if gone || self.dry_run { self.done("ended") } else { "is still there after SIGKILL".to_owned() };
            reaped.tell("process", format!("{} ({}) with the mark of run {} {end}", stat.id.pid, stat.comm, self.run));
        }
    }

    /// Kills what is left in the control group: processes that shed their mark.
    fn control_group(&self, group: &ControlGroup, reaped: &mut Reaped) {
        let mut processes = group.processes();
        processes.retain(|stat| !reaped.processes.contains(&stat.id));
        let gone = self.dry_run || group.remove();
        reaped.clean &= gone;
        let end = |what: &str| if gone { self.done(what) } else { "is still there".to_owned() };
        for stat in processes {
            let what = format!("{} ({}) in the control group of run {}", stat.id.pid, stat.comm, self.run);
            reaped.tell("process", format!("{what} {}", end("killed")));
        }
        reaped.tell("group", format!("{} of run {} {}", group.path(), self.run, end("removed")));
    }

    fn project(&self, name: &str, command: &[String], reaped: &mut Reaped) {
        if self.dry_run {
            return reaped.tell("project", format!("{name} of run {} {}", self.run, self.done("removed")));
        }
        // The client that was killed with the run may have left the engine at work.
        let leftovers = remove_project(&Tool::of_command(command), name, true);
        reaped.clean &= leftovers.iter().all(|leftover| leftover.kind != "project");
        reaped.leftovers.extend(leftovers);
    }

    /// Removes the segments that are named below a state directory, and tells whether none stays. A segment does not
    /// outlive its boot.
    fn segments(&self, state: &Utf8Path, reaped: &mut Reaped) -> bool {
        let segments = if self.same_boot { Segment::all_in(state) } else { Vec::new() };
        let mut gone = true;
        for segment in segments.into_iter().filter(|segment| segment.exists()) {
            let stays = !self.dry_run && segment.remove() == Removal::Stays;
            gone &= !stays;
            let end = if stays { "is still there".to_owned() } else { self.done("removed") };
            reaped.tell("segment", format!("{segment} of run {} {end}", self.run));
        }
        reaped.clean &= gone;
        gone
    }

    /// Removes a checkout with what runs in it left, whose ledgers are in its target directory beside the runs.
    fn checkout(&self, path: &Utf8Path, reaped: &mut Reaped) -> Result<(), EnvError> {
        let base = base_of(&self.run_dir).filter(|_| is_checkout_of(path, &self.run_dir));
        let Some(base) = base else {
            reaped.tell("directory", format!("{path} is no checkout of run {} and stays", self.run));
            return Ok(());
        };
        let left = gc(&base.join("target/tollgate/runs"), self.dry_run)?;
        reaped.leftovers.extend(left);
        // Another run that has the place by now accounts for what is in it.
        let is_used = File::open(base.join("lock")).is_ok_and(|lock| lock.try_lock().is_err());
        if !is_used && fs::symlink_metadata(path).is_ok() {
            let failure = if self.dry_run { None } else { fs::remove_dir_all(path).err() };
            reaped.clean &= failure.is_none();
            let end = failure.map_or_else(|| self.done("removed"), |error| format!("is still there: {error}"));
            reaped.tell("directory", format!("{path} of run {} {end}", self.run));
        }
        Ok(())
    }

    fn directory(&self, path: &Utf8Path, reaped: &mut Reaped) {
        if fs::symlink_metadata(path).is_err() {
            return;
        }
        if !is_state_of(path, &self.run) {
            // Not ours to remove, and it won't be next time.
            return reaped.tell("directory", format!("{path} is no state directory of run {} and stays", self.run));
        }
        // One that stays is found again by its name in there.
        if !self.segments(path, reaped) {
            return;
        }
        let failure = if self.dry_run { None } else { fs::remove_dir_all(path).err() };
        reaped.clean &= failure.is_none();
        if failure.is_none() && !self.dry_run {
            remove_root_of(path);
        }
        let end = failure.map_or_else(|| self.done("removed"), |error| format!("is still there: {error}"));
        reaped.tell("directory", format!("{path} of run {} {end}", self.run));
    }
}

/// Ends processes and what they started: asked first, all at once, then by force.
fn end(survivors: &[Survivor<'_>]) {
    let ids: Vec<ProcessId> = survivors.iter().map(|survivor| survivor.id).collect();
    for survivor in survivors {
        survivor.id.signal(match survivor.stop {
            StopKind::Plain => Signal::TERM,
            StopKind::Postgres => Signal::INT,
        });
    }
    let mut staying = process::wait_gone(&ids, GRACE);
    let servers = survivors.iter().filter(|survivor| survivor.stop == StopKind::Postgres);
    let late: Vec<ProcessId> = servers.map(|survivor| survivor.id).filter(|id| staying.contains(id)).collect();
    process::signal_all(&late, Signal::QUIT);
    process::wait_gone(&late, QUIT_GRACE);
    staying.extend(survivors.iter().flat_map(|survivor| survivor.family.iter().map(|stat| stat.id)));
    // A server's own processes need a moment to see that it is gone.
    let staying = process::wait_gone(&staying, Duration::from_millis(200));
    process::signal_all(&staying, Signal::KILL);
    process::wait_gone(&staying, KILL_LIMIT);
}
