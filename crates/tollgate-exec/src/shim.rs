//! A re-exec of the running program which prepares itself and then becomes the child.
//!
//! What a child must do between fork and exec can't be done in safe code, so a process of its own does it: the parent
//! starts its own executable with `__exec` as the first argument, [`intercept`] drops privileges, sets the
//! parent-death signal, checks that the parent is still there, and execs. The order is forced: changing the user clears
//! the parent-death signal. `/proc/self/exe` is the executable that runs, even where a build has replaced its file.

use crate::command::PROFILE_STARTED;
use crate::{Signal, find_program};
use rustix::process::{Gid, Pid, Uid, chdir, getppid, set_parent_process_death_signal, setsid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first argument that makes a program a shim.
const MARK: &str = "__exec";

/// Exit codes as shells use them: the program was not found, could not be run, the shim could not prepare itself.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;
const NOT_PREPARED: u8 = 125;

static AVAILABLE: AtomicBool = AtomicBool::new(false);

/// A child that prepares itself in a re-exec of the running program.
#[derive(Debug, Clone)]
pub struct Shim {
    through: PathBuf,
    program: OsString,
    args: Vec<OsString>,
    death_signal: Option<Signal>,
    user: Option<(u32, u32)>,
    directory: Option<PathBuf>,
    session: bool,
}

impl Shim {
    /// A child that leads its own process group and is otherwise like any other.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            through: PathBuf::from("/proc/self/exe"),
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            death_signal: None,
            user: None,
            directory: None,
            session: false,
        }
    }

    /// Re-execs another program whose `main` calls [`intercept`]; for tests, whose `main` is the test harness.
    #[must_use]
    pub fn through(mut self, program: impl AsRef<Path>) -> Self {
        program.as_ref().clone_into(&mut self.through);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Has the kernel send this signal to the child when the thread that spawned it ends.
    #[must_use]
    pub fn death_signal(mut self, signal: Signal) -> Self {
        self.death_signal = Some(signal);
        self
    }

    /// Runs as this user and group, in no other group; only root may.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.user = Some((uid, gid));
        self
    }

    /// Runs in a directory, entered with the rights of the user.
    #[must_use]
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Leads a session of its own, so that neither the terminal nor its hang-up reaches it.
    #[must_use]
    pub fn session(mut self) -> Self {
        self.session = true;
        self
    }

    /// The command to spawn; its streams and variables are still to be set.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.through);
        command.arg(MARK).arg("--parent").arg(std::process::id().to_string());
        if let Some(signal) = self.death_signal {
            command.arg("--death-signal").arg(signal.as_raw().to_string());
        }
        if let Some((uid, gid)) = self.user {
            command.arg("--uid").arg(uid.to_string()).arg("--gid").arg(gid.to_string());
        }
        if let Some(directory) = &self.directory {
            command.arg("--cwd").arg(directory);
        }
        if self.session {
            command.arg("--session").arg("own");
        } else {
            // A session has a group of its own, and the leader of a group can't begin one.
            command.process_group(0);
        }
        command.arg("--").arg(&self.program).args(&self.args);
        command
    }
}

/// Whether this program's `main` has called [`intercept`], so that re-executing it gives a shim.
pub fn is_available() -> bool {
    AVAILABLE.load(Ordering::Relaxed)
}

/// Becomes the child where the arguments (with the program's own name first) ask for it; to be called first in `main`.
///
/// Where it succeeds it doesn't return. It returns an exit code where the child could not be started, after saying why
/// on standard error, and nothing where the program was not started as a shim.
pub fn intercept(args: &[OsString]) -> Option<ExitCode> {
    if args.get(1).is_none_or(|mark| mark != MARK) {
        AVAILABLE.store(true, Ordering::Relaxed);
        return None;
    }
    let (code, message) = match Preparation::parse(&args[2..]) {
        Ok(preparation) => preparation.exec(),
        Err(message) => (NOT_PREPARED, message),
    };
    // The parent reads it as the child's first and last words; where they can't be written the code still tells.
    let _ = writeln!(io::stderr(), "tollgate: {message}");
    Some(ExitCode::from(code))
}

/// What a shim was asked to do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Preparation {
    parent: Option<i32>,
    death_signal: Option<i32>,
    uid: Option<u32>,
    gid: Option<u32>,
    directory: Option<PathBuf>,
    session: bool,
    program: OsString,
    args: Vec<OsString>,
}

impl Preparation {
    fn parse(args: &[OsString]) -> Result<Self, String> {
        let mut preparation = Self::default();
        let mut args = args.iter();
        while let Some(option) = args.next() {
            let value = args.next().ok_or_else(|| format!("`{}` has no value", option.to_string_lossy()))?;
            match option.to_string_lossy().as_ref() {
                "--parent" => preparation.parent = Some(number(value)?),
                "--death-signal" => preparation.death_signal = Some(number(value)?),
                "--uid" => preparation.uid = Some(number(value)?),
                "--gid" => preparation.gid = Some(number(value)?),
                "--cwd" => preparation.directory = Some(value.into()),
                "--session" => preparation.session = true,
                "--" => {
                    preparation.program.clone_from(value);
                    preparation.args = args.cloned().collect();
                    return Ok(preparation);
                }
                other => return Err(format!("`{other}` is not an option of `{MARK}`")),
            }
        }
        Err(format!("`{MARK}` was given no program"))
    }

    /// Returns only where something failed: with what, and the exit code for it.
    fn exec(self) -> (u8, String) {
        if let Err(error) = self.prepare() {
            return (NOT_PREPARED, error);
        }
        let name = self.program.to_string_lossy();
        if find_program(&self.program).is_none() {
            return (NOT_FOUND, format!("`{name}` was not found"));
        }
        // The shim's own runtime has set it again, where the shim is measured.
        let error = Command::new(&self.program).args(&self.args).env_remove(PROFILE_STARTED).exec();
        (NOT_RUN, format!("`{name}` could not be run: {error}"))
    }

    fn prepare(&self) -> Result<(), String> {
        let failed = |what: &'static str| move |error: rustix::io::Errno| format!("{what} failed: {error}");
        if self.session {
            setsid().map_err(failed("leaving the session"))?;
        }
        if let Some(gid) = self.gid {
            set_thread_groups(&[Gid::from_raw(gid)]).map_err(failed("leaving other groups"))?;
            set_thread_gid(Gid::from_raw(gid)).map_err(failed("changing the group"))?;
        }
        if let Some(uid) = self.uid {
            set_thread_uid(Uid::from_raw(uid)).map_err(failed("changing the user"))?;
        }
        if let Some(directory) = &self.directory {
            chdir(directory).map_err(failed("entering the working directory"))?;
        }
        if let Some(signal) = self.death_signal {
            let signal = Signal::from_named_raw(signal).ok_or("the parent-death signal is not a signal")?;
            set_parent_process_death_signal(Some(signal)).map_err(failed("setting the parent-death signal"))?;
            // The parent may have died before the line above; nobody would tell then.
            if self.parent.is_some() && getppid().map(Pid::as_raw_pid) != self.parent {
                return Err("the parent is gone".to_owned());
            }
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(value: &OsStr) -> Result<T, String> {
    let text = value.to_string_lossy();
    text.parse().map_err(|_| format!("`{text}` is not a number of that kind"))
}

#[cfg(test)]
mod unit {
    use super::*;

    fn parse(words: &str) -> Result<Preparation, String> {
        Preparation::parse(&words.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn what_the_parent_asks_for_is_what_the_shim_prepares() {
        let shim = Shim::new("prog").args(["--uid", "x"]).death_signal(Signal::INT).user(33, 44).cwd("/tmp").session();
        let command = shim.command();
        let args: Vec<OsString> = command.get_args().map(OsStr::to_owned).collect();
        let expected = Preparation {
            parent: i32::try_from(std::process::id()).ok(),
            death_signal: Some(2),
            uid: Some(33),
            gid: Some(44),
            directory: Some("/tmp".into()),
            session: true,
            program: "prog".into(),
            args: vec!["--uid".into(), "x".into()],
        };
        assert_eq!((args[0].as_os_str(), Preparation::parse(&args[1..])), (OsStr::new("__exec"), Ok(expected)));
        assert_eq!(command.get_program(), "/proc/self/exe");
    }

    #[test]
    fn a_shim_that_is_asked_for_nonsense_says_so() {
        let error = |words| parse(words).unwrap_err();
        assert_eq!(error(""), "`__exec` was given no program");
        assert_eq!(error("--uid"), "`--uid` has no value");
        assert_eq!(error("--uid -1 -- true"), "`-1` is not a number of that kind");
        assert_eq!(error("--colour red -- true"), "`--colour` is not an option of `__exec`");
    }

    #[test]
    fn other_arguments_are_none_of_the_shims_business() {
        assert!(!is_available());
        assert_eq!(intercept(&["xtask".into(), "ci".into(), "__exec".into()]), None);
        assert_eq!(intercept(&[]), None);
        assert!(is_available());
    }
}
