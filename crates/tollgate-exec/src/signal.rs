//! Signals: their names, and sending one to a process group.

use rustix::process::{Pid, Signal, kill_process_group};

const NAMES: [(i32, &str); 15] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
];

/// Names a signal number, `SIGKILL`; a number without a common name becomes `signal 42`.
pub fn signal_name(signal: i32) -> String {
    let name = NAMES.iter().find(|(number, _)| *number == signal).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("signal {signal}"))
}

/// Finds a signal by its name, with or without `SIG` and in any case: `SIGINT`, `int`.
pub fn signal_by_name(name: &str) -> Option<Signal> {
    let name = name.to_ascii_uppercase();
    let short = name.strip_prefix("SIG").unwrap_or(&name);
    let (number, _) = NAMES.iter().find(|(_, known)| known.strip_prefix("SIG") == Some(short))?;
    Signal::from_named_raw(*number)
}

/// Sends a signal to every process of the group that `leader` leads; false where that group no longer exists.
pub fn signal_group(leader: u32, signal: Signal) -> bool {
    let pid = i32::try_from(leader).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process_group(pid, signal).is_ok())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_signal_is_named_by_its_number_and_found_by_its_name() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(42), "signal 42");
        for name in ["SIGINT", "INT", "int", "sigint"] {
            assert_eq!(signal_by_name(name), Some(Signal::INT), "{name}");
        }
        assert_eq!(signal_by_name("SIGNIFICANT"), None);
        for (number, name) in NAMES {
            assert_eq!(signal_by_name(name).map(Signal::as_raw), Some(number));
        }
    }

    #[test]
    fn no_group_is_signalled_for_a_number_that_no_process_can_have() {
        assert!(!signal_group(0, Signal::TERM));
        assert!(!signal_group(u32::MAX, Signal::TERM));
    }
}
