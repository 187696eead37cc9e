//! Runs that are alive: found by their ledgers, and ended by asking their orchestrators.

use crate::keeper::KEEPER;
use crate::ledger::{Account, run_directories};
use crate::process::{self, ProcessId, Stat, boot_id};
use camino::{Utf8Path, Utf8PathBuf};
use std::time::Duration;
use tollgate_exec::Signal;
use tollgate_model::RunId;

/// A run whose orchestrator runs and has not torn down yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// The run.
    pub run: RunId,
    /// Its directory.
    pub run_dir: Utf8PathBuf,
    orchestrator: ProcessId,
    /// The keeper, which is still at work when the orchestrator has ended.
    keeper: Option<ProcessId>,
}

/// The living runs below `runs_root` that have an environment, oldest first.
pub fn living(runs_root: &Utf8Path) -> Vec<Living> {
    run_directories(runs_root).into_iter().filter_map(Living::of).collect()
}

/// Whether the orchestrator of a run with an environment runs and has not torn down yet.
pub fn is_alive(run_dir: &Utf8Path) -> bool {
    Living::of(run_dir.to_owned()).is_some()
}

impl Living {
    fn of(run_dir: Utf8PathBuf) -> Option<Self> {
        let account = Account::read(&run_dir).filter(|account| !account.finished())?;
        let (run, orchestrator, boot) = account.orchestrator()?;
        if boot != boot_id() {
            return None;
        }
        let stat = Stat::read(orchestrator.pid).filter(|stat| stat.id == orchestrator && stat.runs())?;
        let parent = Stat::read(stat.parent);
        // Where the keeper is dead, the parent is somebody who has nothing to do with the run.
        let told = |parent: &Stat| format!("{KEEPER}={}", parent.id.pid);
        let keeper = parent.filter(|parent| !process::marked(&[stat], |entry| entry == told(parent)).is_empty());
        Some(Self { run: run.clone(), orchestrator, keeper: keeper.map(|keeper| keeper.id), run_dir })
    }

    /// Whether its orchestrator still runs.
    pub fn runs(&self) -> bool {
        self.orchestrator.runs()
    }

    /// Asks the run to tear down and waits until it and its keeper have ended; tells whether they have within `limit`.
    pub fn end(&self, limit: Duration) -> bool {
        self.orchestrator.signal(Signal::TERM);
        let both: Vec<ProcessId> = [Some(self.orchestrator), self.keeper].into_iter().flatten().collect();
        process::wait_gone(&both, limit).is_empty()
    }
}
