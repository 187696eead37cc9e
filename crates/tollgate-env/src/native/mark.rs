//! The marks of a run: variables in the environment of the processes that it starts for services and of its tests.
//!
//! A mark goes with a process wherever it forks to, also out of its group, its session and its family; so it finds what is
//! left of a run whose keeper, the parent of all such processes, was killed too. Programs that write their title over their
//! environment lose it: PostgreSQL's backends and Redis, which the ledger lists or whose server it lists.

use crate::process::{self, Stat};
use camino::Utf8Path;
use tollgate_model::{RunId, ServiceName};

/// The variable of services.
pub(super) const MARK: &str = "TOLLGATE_SERVICE";

/// The variable of tests, which says where their run is.
const RUN_DIR: &str = "TOLLGATE_RUN_DIR";

/// The value of [`MARK`] for the processes of a service.
pub(super) fn mark(run: &RunId, service: &ServiceName) -> String {
    format!("{run}/{service}")
}

/// The running processes that were started for services of this run, whichever it is.
pub(super) fn of_services(run: &RunId) -> Vec<Stat> {
    process::marked(&process::all(), is_of_services(run))
}

/// The running processes that were started for services of this run or for its tests.
pub(crate) fn of_run(run: &RunId, run_dir: &Utf8Path) -> Vec<Stat> {
    let (of_services, of_tests) = (is_of_services(run), is_of_tests(run_dir));
    process::marked(&process::all(), |entry| of_services(entry) || of_tests(entry))
}

/// The running processes that were started for tests of the run in this directory.
pub(crate) fn of_tests(run_dir: &Utf8Path) -> Vec<Stat> {
    process::marked(&process::all(), is_of_tests(run_dir))
}

fn is_of_tests(run_dir: &Utf8Path) -> impl Fn(&str) -> bool {
    let mark = format!("{RUN_DIR}={run_dir}");
    move |entry| entry == mark
}

fn is_of_services(run: &RunId) -> impl Fn(&str) -> bool {
    let start = format!("{MARK}={run}/");
    move |entry| entry.starts_with(&start)
}
