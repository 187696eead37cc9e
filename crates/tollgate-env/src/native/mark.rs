//! The mark of a run: a variable in the environment of every process that it starts for a service.
//!
//! It goes with a process wherever it forks to, also out of its group, its session and its family; so it finds what is left of
//! a run whose keeper, the parent of all such processes, was killed too. Programs that write their title over their
//! environment lose it: PostgreSQL's backends and Redis, which the ledger lists or whose server it lists.

use crate::process::{self, Stat};
use tollgate_model::{RunId, ServiceName};

/// The variable.
pub(super) const MARK: &str = "TOLLGATE_SERVICE";

/// Its value for the processes of a service.
pub(super) fn mark(run: &RunId, service: &ServiceName) -> String {
    format!("{run}/{service}")
}

/// The running processes with the mark of this run, whichever service it names.
pub(crate) fn marked(run: &RunId) -> Vec<Stat> {
    process::marked(&process::all(), MARK, &format!("{run}/"))
}
