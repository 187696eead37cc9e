//! Packages of the distribution.

use super::is_root;
use crate::ToolError;
use std::time::Duration;
use tollgate_exec::{Cmd, Interrupt, Output, find_program};

/// A few packages from a mirror, and the wait for another package manager to finish.
const TIMEOUT: Duration = Duration::from_mins(15);

/// How long `sudo` may take to say whether it asks for a password.
const SUDO_TIMEOUT: Duration = Duration::from_secs(10);

/// Installs packages with apt-get, where there is one and this process may use it, by itself or with a `sudo` that asks
/// for no password; progress goes to `on_line`.
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
    let prefix = if available { prefix(is_root(), || sudo_asks_nothing(interrupt)) } else { None };
    let Some(prefix) = prefix else {
        return Err(ToolError::NotInstalled { what: packages.join(", "), hint: hint(available, packages) });
    };
    let mut apt = |args: &[&str]| -> Result<(Cmd, Output), ToolError> {
        // `env` after `sudo`, which hands no variables on.
        let argv = [prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]].concat();
        let cmd = Cmd::new(argv[0]).args(&argv[1..]).args(["-o", "DPkg::Lock::Timeout=300"]).args(args);
        let cmd = cmd.timeout(TIMEOUT);
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

/// What stands before a command that root has to run; none where that is not possible.
fn prefix(is_root: bool, sudo: impl FnOnce() -> bool) -> Option<&'static [&'static str]> {
    if is_root {
        return Some(&[]);
    }
    sudo().then_some(&["sudo", "-n"])
}

/// As on a hosted runner.
fn sudo_asks_nothing(interrupt: &Interrupt) -> bool {
    let asked = Cmd::new("sudo").args(["-n", "true"]).timeout(SUDO_TIMEOUT).run(interrupt);
    asked.is_ok_and(|output| output.status.success())
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
    fn sudo_is_for_those_who_are_not_root_and_need_no_password() {
        assert_eq!(prefix(true, || unreachable!()), Some(&[] as &[&str]));
        assert_eq!(prefix(false, || true), Some(&["sudo", "-n"] as &[&str]));
        assert_eq!(prefix(false, || false), None);
    }

    #[test]
    fn who_may_not_install_is_told_what_to_run() {
        assert_eq!(hint(true, &["postgresql", "redis"]), "run `sudo apt-get install --yes postgresql redis`");
        assert_eq!(hint(false, &["redis"]), "install what this system calls redis");
    }
}
