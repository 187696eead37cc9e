//! Commands, interrupts and the shim with real processes.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tollgate_exec::{
    Cmd, ExecError, Interrupt, Output, Signal, Status, Stream, end_marked, environ, find_program, query, shim::Shim,
    signal_group,
};

fn interrupt() -> Interrupt {
    Interrupt::new().expect("a pipe")
}

fn sh(script: &str) -> Cmd {
    Cmd::new("sh").args(["-c", script])
}

fn run(cmd: &Cmd) -> Output {
    cmd.run(&interrupt()).expect("the command runs")
}

/// The example with a shim, which cargo builds along with the tests of this package.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let example = test.ancestors().nth(2).expect("target/<profile>").join("examples/shim");
    assert!(example.is_file(), "`{}` is missing; `cargo test -p tollgate-exec` builds it", example.display());
    example
}

fn wait_until_gone(pid: i32) {
    let pid = Pid::from_raw(pid).expect("a process id");
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit));
    assert_eq!(ended, Ok(1), "process {} is still there", pid.as_raw_pid());
}

#[test]
fn both_streams_and_the_status_are_captured() {
    let output = run(&sh("echo out; echo err >&2; printf tail; exit 3"));
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\ntail", "err\n"));
    assert_eq!(output.status, Status::Code(3));
    assert_eq!(run(&sh("kill -9 $$")).status.to_string(), "signal SIGKILL");
    assert!(run(&sh("read line && echo got $line")).stdout.is_empty(), "standard input is empty");
}

#[test]
fn lines_are_handed_on_as_they_come() {
    let mut lines = Vec::new();
    let cmd = sh("echo one; echo two >&2; printf three");
    let output = cmd.stream(&interrupt(), &mut |stream, line| lines.push((stream, line.to_owned()))).expect("it runs");
    lines.sort_by(|a, b| a.1.cmp(&b.1));
    let expected = [(Stream::Stdout, "one"), (Stream::Stdout, "three"), (Stream::Stderr, "two")];
    assert_eq!(lines, expected.map(|(stream, line)| (stream, line.to_owned())));
    assert!(output.status.success());
}

#[test]
fn much_output_on_both_streams_blocks_nobody() {
    let output = run(&sh("seq 1 100000 >&2 & seq 1 100000; wait"));
    assert_eq!((output.stdout.lines().count(), output.stderr.lines().count()), (100_000, 100_000));
}

#[test]
fn variables_and_directory_are_those_of_the_command() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().canonicalize().expect("it exists");
    let cmd = sh("echo $A-$B-${HOME-unset}; pwd").envs([("A", "1"), ("B", "2")]).env_remove("HOME").cwd(&path);
    assert_eq!(run(&cmd).stdout, format!("1-2-unset\n{}\n", path.display()));
}

#[test]
fn a_child_of_a_measured_process_starts_its_own_profile() {
    let print = "echo ${__LLVM_PROFILE_RT_INIT_ONCE-unset}";
    let output = Command::new(example())
        .args(["sh", "-c", print])
        .env("__LLVM_PROFILE_RT_INIT_ONCE", "set")
        .output()
        .expect("the example runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "unset\n");
    assert_eq!(run(&sh(print)).stdout, "unset\n");
}

#[test]
fn a_program_is_looked_for_before_anything_is_started() {
    let missing = Cmd::new("no-such-program").run(&interrupt()).unwrap_err();
    assert_eq!(missing.to_string(), "`no-such-program` was not found; no directory of PATH has it");
    let missing = Cmd::new("./no-such-program").run(&interrupt()).unwrap_err();
    assert_eq!(missing.to_string(), "`./no-such-program` was not found; there is no executable file of that name");
    let hidden = sh("true").env("PATH", "/nowhere").run(&interrupt());
    assert!(matches!(hidden, Err(ExecError::NotFound { .. })), "{hidden:?}");
    assert_eq!(find_program("sh").as_deref().and_then(Path::file_name), Some("sh".as_ref()));
}

#[test]
fn what_can_not_be_started_says_why() {
    let nowhere = sh("true").cwd("/no/such/directory").run(&interrupt()).unwrap_err();
    let ExecError::Spawn { argv, source } = nowhere else { panic!("{nowhere:?}") };
    assert_eq!(
        (argv.as_str(), source.to_string().as_str()),
        ("sh -c true", "there is no directory `/no/such/directory`")
    );

    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("program");
    std::fs::write(&program, "#!/no/such/interpreter\n").expect("it can be written");
    run(&Cmd::new("chmod").arg("+x").arg(&program));
    let broken = Cmd::new(&program).run(&interrupt());
    assert!(matches!(broken, Err(ExecError::Spawn { .. })), "{broken:?}");
}

#[test]
fn at_its_time_limit_a_command_is_asked_to_stop() {
    let limit = Duration::from_millis(300);
    let cmd = sh("trap 'echo asked; exit 0' INT; echo waiting; while :; do sleep 0.01; done");
    let stopped = cmd.timeout(limit).stop_signal(Signal::INT).run(&interrupt()).unwrap_err();
    let ExecError::TimedOut { after, tail, .. } = stopped else { panic!("{stopped:?}") };
    assert_eq!((after, tail.as_str()), (limit, "waiting\nasked"));
}

#[test]
fn who_ignores_the_stop_signal_is_killed_with_its_whole_group() {
    let mut pid = 0;
    let cmd = sh("trap '' TERM; sleep 600 & echo $!; wait; sleep 600").grace(Duration::from_millis(10));
    let interrupt = interrupt();
    let stopped = cmd.stream(&interrupt, &mut |_, line| {
        pid = line.parse().expect("a process id");
        interrupt.trigger(2);
    });
    assert_eq!(stopped.unwrap_err().to_string().split(" was ").last(), Some("stopped by SIGINT"));
    wait_until_gone(pid);
}

#[test]
fn a_second_interrupt_ends_the_grace_period() {
    let start = Instant::now();
    let cmd = sh("trap 'echo asked' TERM; echo ready; while :; do sleep 0.01; done").grace(Duration::from_mins(10));
    let interrupt = interrupt();
    let stopped = cmd.stream(&interrupt, &mut |_, _| interrupt.trigger(15));
    assert!(matches!(stopped, Err(ExecError::Interrupted { signal: 15, .. })), "{stopped:?}");
    assert!(start.elapsed() < Duration::from_mins(1));
}

#[test]
fn after_an_interrupt_nothing_is_started() {
    let interrupt = interrupt();
    assert_eq!((interrupt.signal(), interrupt.wait(Duration::from_millis(1))), (None, None));
    interrupt.trigger(15);
    interrupt.trigger(2);
    assert_eq!(interrupt.clone().signal(), Some(15), "the first one is remembered");
    assert_eq!(interrupt.wait(Duration::from_hours(1)), Some(15), "and nobody waits for it again");
    let refused = Cmd::new("no-such-program").run(&interrupt);
    assert!(matches!(refused, Err(ExecError::Interrupted { signal: 15, .. })), "{refused:?}");
}

#[test]
fn what_a_command_leaves_in_its_group_ends_with_it() {
    let output = run(&sh("sleep 600 & echo $!"));
    assert!(output.status.success());
    wait_until_gone(output.stdout.trim().parse().expect("a process id"));
    assert!(output.wall < Duration::from_mins(1));
}

#[test]
fn a_query_answers_or_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(query(directory.path(), &["sh", "-c", "echo ' yes '"]).as_deref(), Some("yes"));
    assert_eq!(query(directory.path(), &["sh", "-c", "echo no; exit 1"]), None);
    assert_eq!(query(directory.path(), &["no-such-program"]), None);
    assert_eq!(query(directory.path(), &[]), None);
}

fn spawn_example(script: &str) -> (Child, impl Iterator<Item = String>) {
    let mut child =
        Command::new(example()).args(["sh", "-c", script]).stdout(Stdio::piped()).spawn().expect("the example runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    (child, lines.map(|line| line.expect("text")))
}

#[test]
fn a_child_dies_with_its_killed_parent() {
    let (mut parent, mut lines) = spawn_example("echo $$; exec sleep 600");
    let child: i32 = lines.next().and_then(|line| line.parse().ok()).expect("a process id");
    parent.kill().expect("it runs");
    parent.wait().expect("it ended");
    wait_until_gone(child);
}

#[test]
fn a_signal_to_the_parent_stops_the_child_and_is_named() {
    let (mut parent, mut lines) = spawn_example("echo $$; exec sleep 600");
    let child: i32 = lines.next().and_then(|line| line.parse().ok()).expect("a process id");
    let pid = i32::try_from(parent.id()).ok().and_then(Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, Signal::HUP).expect("it runs");
    assert_eq!(lines.next().as_deref(), Some("`sh -c 'echo $$; exec sleep 600'` was stopped by SIGHUP"));
    assert_eq!(parent.wait().expect("it ended").code(), Some(1));
    wait_until_gone(child);
}

#[test]
fn a_child_behind_the_shim_is_like_any_other() {
    let (mut parent, lines) = spawn_example("echo out; exit 7");
    assert_eq!(lines.collect::<Vec<_>>(), ["out", "exit code 7"]);
    assert_eq!(parent.wait().expect("it ended").code(), Some(1));
}

#[test]
fn the_shim_enters_the_directory_and_leads_a_group() {
    let mut command = Shim::new("sh")
        .args(["-c", "pwd; echo $$; read line"])
        .cwd("/")
        .death_signal(Signal::KILL)
        .through(example())
        .command();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    assert_eq!((lines.next(), lines.next()), (Some("/".to_owned()), Some(child.id().to_string())));
    assert!(signal_group(child.id(), Signal::TERM));
    assert_eq!(Status::from(child.wait().expect("it ended")), Status::Signal(15));
    assert!(!signal_group(child.id(), Signal::TERM), "the group is gone");
}

#[test]
fn the_shim_takes_another_user_or_says_that_it_may_not() {
    let output = Shim::new("id").user(65534, 65534).through(example()).command().output().expect("it starts");
    if rustix::process::geteuid().is_root() {
        let id = String::from_utf8(output.stdout).expect("text");
        let parts: Vec<&str> = id.split_whitespace().map(|part| part.split('(').next().unwrap_or_default()).collect();
        assert_eq!(parts, ["uid=65534", "gid=65534", "groups=65534"]);
    } else {
        assert_eq!(output.status.code(), Some(125));
    }
}

#[test]
fn a_shim_that_fails_has_the_exit_code_of_a_shell_and_a_reason() {
    let shim = |args: &[&str]| {
        let output = Command::new(example()).arg("__exec").args(args).output().expect("it starts");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let text = |message: &str| format!("tollgate: {message}\n");
    assert_eq!(shim(&["--", "no-such-program"]), (Some(127), text("`no-such-program` was not found")));
    assert_eq!(shim(&["--bad", "1"]), (Some(125), text("`--bad` is not an option of `__exec`")));
    let gone = shim(&["--parent", "1", "--death-signal", "9", "--", "true"]);
    assert_eq!(gone, (Some(125), text("the parent is gone")));
    let (code, message) = shim(&["--cwd", "/no/such/directory", "--", "true"]);
    assert_eq!(code, Some(125));
    assert!(message.starts_with("tollgate: entering the working directory failed: "), "{message}");

    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("program");
    std::fs::write(&program, "#!/no/such/interpreter\n").expect("it can be written");
    run(&Cmd::new("chmod").arg("+x").arg(&program));
    assert_eq!(shim(&["--", &program.to_string_lossy()]).0, Some(126));
}

#[test]
fn a_process_has_its_variables_from_its_first_moment() {
    let value = format!("from-the-first-moment-{}", std::process::id());
    let entry = format!("TOLLGATE_EXEC_MARK={value}");
    for _ in 0..200 {
        let mut child = Command::new("sleep").arg("600").env("TOLLGATE_EXEC_MARK", &value).spawn().expect("it starts");
        let variables = environ(child.id().cast_signed()).expect("it can be read");
        child.kill().expect("it can be killed");
        child.wait().expect("it can be waited for");
        assert!(variables.split(|byte| *byte == 0).any(|found| found == entry.as_bytes()));
        assert!(environ(child.id().cast_signed()).is_err(), "it has ended");
    }
}

#[test]
fn what_carries_a_mark_is_ended_and_nothing_else() {
    let value = format!("what-carries-a-mark-{}", std::process::id());
    let spawn = |value: &str| {
        // One in its own session, as something that got lost would be.
        let mut command = Command::new("setsid");
        command.args(["--wait", "sleep", "600"]).env("TOLLGATE_EXEC_MARK", value);
        command.spawn().expect("setsid is there")
    };
    let (mut marked, mut other) = (spawn(&value), spawn(&format!("{value}0")));
    assert!(end_marked("TOLLGATE_EXEC_MARK", &value) >= 1);
    assert_eq!(end_marked("TOLLGATE_EXEC_MARK", &value), 0, "a second time nobody is left");
    assert!(!marked.wait().expect("it can be waited for").success());
    assert!(other.try_wait().expect("it can be asked").is_none(), "another value is another mark");
    assert!(end_marked("TOLLGATE_EXEC_MARK", &format!("{value}0")) >= 1);
    other.wait().expect("it can be waited for");
}

/// As the superuser of a container is: he may become any user, and look at nobody's memory. Another user asks nothing here.
#[test]
fn the_variables_of_another_users_process_are_read_by_a_superuser_who_may_only_become_that_user() {
    const INNER: &str = "TOLLGATE_EXEC_RESTRICTED";
    if std::env::var_os(INNER).is_none() {
        if rustix::process::geteuid().is_root() {
            let test = "the_variables_of_another_users_process_are_read_by_a_superuser_who_may_only_become_that_user";
            let mut restricted = Command::new("setpriv");
            restricted.args(["--bounding-set", "-sys_ptrace,-perfmon,-sys_admin"]);
            restricted.args(["--inh-caps", "-sys_ptrace,-perfmon,-sys_admin"]);
            restricted.arg(std::env::current_exe().expect("a test has a path"));
            let output = restricted.args(["--exact", test]).env(INNER, "1").output().expect("it starts");
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        return;
    }
    let mut command = Shim::new("sleep").arg("600").user(65534, 65534).through(example()).command();
    let mut child = command.env("TOLLGATE_EXEC_MARK", "of nobody").spawn().expect("it starts");
    let pid = child.id().cast_signed();
    // It is shown as that user's once it has become that user and runs its program.
    let is_nobodys = || std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == 65534);
    let until = Instant::now() + Duration::from_secs(10);
    while !is_nobodys() && Instant::now() < until {
        std::thread::yield_now();
    }
    assert!(is_nobodys() && std::fs::read(format!("/proc/{pid}/environ")).is_err(), "it can be looked at");
    let variables = environ(pid);
    child.kill().expect("it can be killed");
    child.wait().expect("it can be waited for");
    let variables = variables.expect("it can be read");
    assert!(variables.split(|byte| *byte == 0).any(|found| found == b"TOLLGATE_EXEC_MARK=of nobody"));
}
