//! Packages of the distribution.

use super::is_root;
use crate::ToolError;
use std::time::Duration;
use tollgate_exec::{Cmd, Interrupt, Output, find_program};

/// A few packages from a mirror, and the wait for another package manager to finish.
const TIMEOUT: Duration = Duration::from_mins(15);

/// Installs packages with apt-get, where there is one and this process may use it; progress goes to `on_line`.
///
/// # Errors
/// [`ToolError::NotInstalled`] with the command to run where it may not, others where apt-get fails.
pub fn install_packages(
    packages: &[&str],
    interrupt: &Interrupt,
    on_line: &mut dyn FnMut(&str),
) -> Result<(), ToolError> {
    if packages.is_empty() {
        return Ok(());
    }
    let available = find_program("apt-get").is_some();
    if !available || !is_root() {
        return Err(ToolError::NotInstalled { what: packages.join(", "), hint: hint(available, packages) });
    }
    let mut apt = |args: &[&str]| -> Result<(Cmd, Output), ToolError> {
        let cmd = Cmd::new("apt-get").args(["-o", "DPkg::Lock::Timeout=300"]).args(args);
        let cmd = cmd.env("DEBIAN_FRONTEND", "noninteractive").timeout(TIMEOUT);
        let output = cmd.stream(interrupt, &mut |_, line| on_line(line))?;
        Ok((cmd, output))
    };
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    // Known packages need no new lists, and fetching those takes longer than most packages.
    if apt(&install)?.1.status.success() {
        return Ok(());
    }
    apt(&["update"])?;
    let (cmd, output) = apt(&install)?;
    output.success_or(&cmd)?;
    Ok(())
}

fn hint(available: bool, packages: &[&str]) -> String {
    let packages = packages.join(" ");
    if available {
        return format!("run `sudo apt-get install --yes {packages}`");
    }
    format!("install what this system calls {packages}")
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn who_may_not_install_is_told_what_to_run() {
        assert_eq!(hint(true, &["postgresql", "redis"]), "run `sudo apt-get install --yes postgresql redis`");
        assert_eq!(hint(false, &["redis"]), "install what this system calls redis");
    }
}
