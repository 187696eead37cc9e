//! The keeper, with everything that can be killed being killed.

use crate::support::{SERVERS, Scene, control_group, names, probe, psql, runs, segments, tree, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;
use tollgate_env::ProcessId;

/// Beside the servers, a service whose processes go as far away as they can.
const ROGUES: &str = r#"
  rogue:
    image: rogue
    x-tollgate:
      command: ["sh", "-c", "trap '' TERM HUP; setsid sleep 600 & (setsid setsid sleep 600 &); touch up; sleep 600"]
      ready: { command: ["test", "-e", "up"] }
"#;

/// A keeper with its orchestrator.
struct Kept {
    keeper: Child,
    lines: Lines<BufReader<ChildStdout>>,
    orchestrator: i32,
    said: Vec<String>,
}

impl Kept {
    /// Starts a keeper, and waits until its orchestrator has everything up.
    fn start(scene: &Scene, ending: &str) -> Self {
        let mut kept = Self::spawn(scene, ending, &[]);
        while kept.said.last().is_none_or(|line| line != "ready") {
            kept.read_line().expect("the orchestrator comes up");
        }
        kept
    }

    fn spawn(scene: &Scene, ending: &str, variables: &[(&str, &str)]) -> Self {
        let mut keeper = Command::new(probe())
            .args(["supervise", scene.runs_root().as_str()])
            .args(["orchestrate", scene.run_dir().as_str(), scene.file().as_str(), ending])
            .env_remove("CI")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the probe starts");
        let lines = BufReader::new(keeper.stdout.take().expect("it is a pipe")).lines();
        Self { keeper, lines, orchestrator: 0, said: Vec::new() }
    }

    fn read_line(&mut self) -> Option<String> {
        let line = self.lines.next()?.expect("text");
        if let Some(pid) = line.strip_prefix("orchestrator ") {
            self.orchestrator = pid.parse().expect("a pid");
        }
        self.said.push(line.clone());
        Some(line)
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.keeper.id()).expect("a pid")
    }

    fn said(&self, start: &str) -> Option<&str> {
        self.said.iter().find_map(|line| line.strip_prefix(start))
    }

    /// Waits for the keeper's end and returns its exit code, or 128 and the signal.
    fn end(&mut self) -> i32 {
        while self.read_line().is_some() {}
        let status = self.keeper.wait().expect("it is our child");
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
    }
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("it runs");
}

fn assert_gone(scene: &Scene, processes: &[ProcessId]) {
    let left: Vec<_> = processes.iter().filter(|id| runs(**id)).collect();
    assert!(left.is_empty(), "{left:?} of {processes:?}");
    assert_eq!((scene.state(), segments(processes), control_group(scene.run.as_str())), (None, 0, None));
    assert!(scene.ledger().ends_with("{\"entry\":\"finished\"}\n"), "{}", scene.ledger());
}

#[test]
fn an_orchestrator_that_is_killed_leaves_nothing() {
    let scene = Scene::new("orchestrator-killed", &format!("{SERVERS}{ROGUES}"));
    let mut kept = Kept::start(&scene, "wait");
    let processes = tree(kept.pid());
    assert!(processes.len() > 9, "the orchestrator, two servers with their processes, four rogues: {processes:?}");
    let from = Instant::now();
    signal(kept.orchestrator, Signal::KILL);
    assert_eq!(kept.end(), 137, "{:?}", kept.said);
    println!("all was gone {} ms after the orchestrator", from.elapsed().as_millis());
    assert_gone(&scene, &processes);
    assert!(
        kept.said.iter().any(|line| line.starts_with("the orchestrator ended with signal SIGKILL")),
        "{:?}",
        kept.said
    );
}

#[test]
fn what_is_left_after_keeper_and_orchestrator_were_killed_is_reaped_and_nothing_else() {
    let scene = Scene::new("both-killed-rogues", &format!("{SERVERS}{ROGUES}"));
    let mut kept = Kept::start(&scene, "wait");
    let processes = tree(kept.pid());
    let mut innocent = Command::new("sleep")
        .arg("600")
        .env("TOLLGATE_SERVICE", format!("{}0/rogue", scene.run))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process with the mark of another run");
    // Held, so that neither can do anything about the other's end.
    signal(kept.pid(), Signal::STOP);
    signal(kept.orchestrator, Signal::KILL);
    signal(kept.pid(), Signal::KILL);
    assert_eq!(kept.end(), 137, "{:?}", kept.said);
    let sleeping = |id: &ProcessId| runs(*id);
    wait_until("the servers have ended", || processes.iter().filter(|id| runs(**id)).count() <= 3);
    assert!(processes.iter().any(sleeping), "the rogues got away");
    let told = |dry_run| {
        let leftovers = tollgate_env::gc(&scene.runs_root(), dry_run).expect("it can be read");
        leftovers.iter().filter(|left| left.kind == "process" && left.what.contains("(sleep)")).count()
    };
    assert_eq!(told(true), 3, "the shell died with the orchestrator, and what it had started did not");
    assert!(processes.iter().any(sleeping), "only looked at");
    assert_eq!(told(false), 3);
    assert_gone(&scene, &processes);
    assert!(innocent.try_wait().expect("it is our child").is_none(), "it belongs to another run");
    innocent.kill().expect("it runs");
    innocent.wait().expect("it is our child");
}

#[test]
fn what_shed_its_mark_its_session_and_its_family_is_in_the_control_group_still() {
    let scene = Scene::new(
        "shed",
        r#"
services:
  rogue:
    image: rogue
    x-tollgate:
      command: ["sh", "-c", "setsid env -i PATH=$$PATH sh -c ': > up; sleep 600; true' & exec sleep 601"]
      ready: { command: ["test", "-e", "up"] }
"#,
    );
    let mut kept = Kept::start(&scene, "wait");
    let Some(group) = control_group(scene.run.as_str()) else {
        assert!(!tollgate_env::may_contain(), "{:?}", kept.said);
        println!("this user may write no control group here, so nothing was tried");
        signal(kept.pid(), Signal::TERM);
        assert_eq!(kept.end(), 130);
        return;
    };
    // The shell's own child may come a moment after its file.
    wait_until("all of it is there", || tree(kept.pid()).len() == 4);
    let processes = tree(kept.pid());
    signal(kept.pid(), Signal::STOP);
    signal(kept.orchestrator, Signal::KILL);
    signal(kept.pid(), Signal::KILL);
    assert_eq!(kept.end(), 137, "{:?}", kept.said);
    let sleeping = || processes.iter().filter(|id| runs(**id)).count();
    wait_until("its service has ended", || sleeping() <= 2);
    let told = |dry_run| {
        let leftovers = tollgate_env::gc(&scene.runs_root(), dry_run).expect("it can be read");
        leftovers.into_iter().map(|left| format!("{}: {}", left.kind, left.what)).collect::<Vec<_>>()
    };
    let (process, group) =
        (format!("in the control group of run {} ", scene.run), format!("{group} of run {} ", scene.run));
    let ends = |lines: &[String], text: &str| -> Vec<String> {
        lines.iter().filter_map(|line| Some(line.split_once(text)?.1.to_owned())).collect()
    };
    let lines = told(true);
    assert_eq!(ends(&lines, &process), ["would be killed"; 2], "{lines:?}");
    assert_eq!(ends(&lines, &group), ["would be removed"], "{lines:?}");
    assert_eq!(sleeping(), 2, "only looked at");
    let lines = told(false);
    assert_eq!(ends(&lines, &process), ["was killed"; 2], "{lines:?}");
    assert_eq!(ends(&lines, &group), ["was removed"], "{lines:?}");
    assert_gone(&scene, &processes);
}

#[test]
fn servers_alone_are_gone_at_once_after_their_orchestrator() {
    let scene = Scene::new("servers-orphaned", SERVERS);
    let mut kept = Kept::start(&scene, "wait");
    let processes = tree(kept.pid());
    let from = Instant::now();
    signal(kept.orchestrator, Signal::KILL);
    assert_eq!(kept.end(), 137, "{:?}", kept.said);
    println!("the servers were gone {} ms after the orchestrator", from.elapsed().as_millis());
    assert_gone(&scene, &processes);
}

#[test]
fn an_orchestrator_whose_keeper_is_killed_tears_down_itself() {
    let scene = Scene::new("keeper-killed", SERVERS);
    let mut kept = Kept::start(&scene, "wait");
    let processes = tree(kept.pid());
    signal(kept.pid(), Signal::KILL);
    assert_eq!(kept.end(), 137);
    wait_until("the orchestrator has ended", || !processes.iter().any(|id| runs(*id)));
    assert_gone(&scene, &processes);
}

#[test]
fn a_signal_reaches_the_orchestrator_and_its_exit_code_comes_back() {
    for (name, sent) in [("int", Signal::INT), ("term", Signal::TERM), ("hup", Signal::HUP)] {
        let scene = Scene::new(name, SERVERS);
        let mut kept = Kept::start(&scene, "wait");
        let processes = tree(kept.pid());
        signal(kept.pid(), sent);
        assert_eq!(kept.end(), 130, "{name}: {:?}", kept.said);
        assert_gone(&scene, &processes);
        assert_eq!(kept.said("leftover"), None, "{name}");
    }
}

#[test]
fn a_runner_that_dies_takes_the_run_with_it() {
    let scene =
        Scene::new("runner", "services:\n  s:\n    image: s\n    x-tollgate: { command: [\"sleep\", \"600\"] }\n");
    let probe = probe();
    let (root, run_dir, file) = (scene.runs_root(), scene.run_dir(), scene.file());
    let script = format!("{probe} supervise {root} orchestrate {run_dir} {file} wait & echo keeper $!; wait");
    let mut shell =
        Command::new("bash").args(["-c", &script]).env("CI", "true").stdout(Stdio::piped()).spawn().expect("a shell");
    let mut lines = BufReader::new(shell.stdout.take().expect("it is a pipe")).lines().map_while(Result::ok);
    let said: Vec<String> = lines.by_ref().take_while(|line| line != "ready").collect();
    let keeper = said.iter().find_map(|line| line.strip_prefix("keeper ")).expect("the shell says it");
    let processes = tree(keeper.parse().expect("a pid"));
    assert!(processes.len() >= 2, "{said:?}");
    shell.kill().expect("it runs");
    shell.wait().expect("it is our child");
    wait_until("the run has ended", || !processes.iter().any(|id| runs(*id)));
    assert_gone(&scene, &processes);
}

#[test]
fn a_panic_and_a_forgotten_environment_are_defects_and_leave_nothing() {
    for ending in ["panic", "forget"] {
        let scene = Scene::new(ending, SERVERS);
        let mut kept = Kept::spawn(&scene, ending, &[]);
        assert_eq!(kept.end(), 70, "{:?}", kept.said);
        assert_gone(&scene, &scene.recorded());
    }
}

#[test]
fn a_process_that_a_test_left_running_is_found_and_ended() {
    let scene =
        Scene::new("stray", "services:\n  s:\n    image: s\n    x-tollgate: { command: [\"sleep\", \"600\"] }\n");
    let mut kept = Kept::start(&scene, "stray");
    let stray: i32 = kept.said("stray ").expect("it was told").parse().expect("a pid");
    let processes = tree(kept.pid());
    assert!(processes.iter().any(|id| id.pid == stray), "it became the keeper's: {processes:?}");
    signal(kept.pid(), Signal::TERM);
    assert_eq!(kept.end(), 130, "{:?}", kept.said);
    let told = kept.said.iter().any(|line| {
        line.starts_with(&format!("stray {stray} (")) && line.ends_with("was left running by a test and was ended")
    });
    assert!(told, "{:?}", kept.said);
    assert_gone(&scene, &processes);
}

#[test]
fn a_template_is_made_with_database_and_scripts_once_and_then_copied() {
    let scene = Scene::new(
        "template",
        r#"
services:
  db:
    image: postgres:15
    environment: { POSTGRES_USER: app, POSTGRES_PASSWORD: secret, POSTGRES_DB: "my shop", POSTGRES_INITDB_ARGS: "--data-checksums" }
    volumes: ["./init:/docker-entrypoint-initdb.d:ro", "./late.sql:/docker-entrypoint-initdb.d/z-late.sql:ro"]
"#,
    );
    let init = scene.path().join("init");
    fs::create_dir(&init).expect("a directory");
    fs::write(init.join("1.sql"), "CREATE TABLE items (name text);").expect("a file");
    let shell = "psql -v ON_ERROR_STOP=1 --username \"$POSTGRES_USER\" --dbname \"$POSTGRES_DB\" -c \"INSERT INTO items VALUES ('sh')\"\n";
    fs::write(init.join("2.sh"), shell).expect("a file");
    fs::write(init.join("notes.txt"), "not a script").expect("a file");
    fs::write(scene.path().join("late.sql"), "INSERT INTO items VALUES ('late');").expect("a file");
    let cache = scene.path().join("cache");
    for round in ["made", "copied"] {
        let from = Instant::now();
        let mut kept = Kept::spawn(&scene, "wait", &[("XDG_CACHE_HOME", cache.as_str())]);
        while kept.said.last().is_none_or(|line| line != "ready") {
            assert!(kept.read_line().is_some(), "{:?}\n{}", kept.said, scene.log("db"));
        }
        println!("PostgreSQL with a template that was {round} was ready after {} ms", from.elapsed().as_millis());
        let db = kept.said("db ").expect("its address");
        let all = psql(db, "app", "secret", "my shop", "select string_agg(name, ',') from items");
        assert_eq!(all, Ok("sh,late".to_owned()), "{round}");
        assert_eq!(psql(db, "app", "secret", "my shop", "show data_checksums"), Ok("on".to_owned()));
        signal(kept.pid(), Signal::INT);
        assert_eq!(kept.end(), 130, "{:?}", kept.said);
    }
    let templates = fs::read_dir(cache.join("tollgate/pgdata")).expect("the cache").flatten();
    assert_eq!(templates.filter(|entry| entry.path().is_dir()).count(), 1);
    assert_eq!(scene.log("db").matches("fixing permissions on existing directory").count(), 0);
    assert_eq!(scene.log("db").matches("creating configuration files").count(), 1);
}

#[test]
fn the_servers_that_make_a_template_leave_no_shared_memory() {
    for killed in ["nobody", "orchestrator", "both"] {
        let scene = Scene::new(&format!("bootstrap-{killed}"), SERVERS);
        let cache = scene.path().join("cache");
        let mut kept = Kept::spawn(&scene, "wait", &[("XDG_CACHE_HOME", cache.as_str())]);
        let processes = RefCell::default();
        wait_until("initdb's longest server has its shared memory", || {
            processes.replace(tree(kept.pid()));
            let fills = |id: &&ProcessId| {
                let line = fs::read_to_string(format!("/proc/{}/cmdline", id.pid));
                line.is_ok_and(|line| line.contains("/postgres\0--single"))
            };
            processes.borrow().iter().filter(fills).any(|id| segments(&[*id]) == 1)
        });
        let processes = processes.into_inner();
        // What it takes of dynamic memory is in its data directory, and not where it would outlive it.
        let conf = scene.state().expect("it is there").join("db-template/data/postgresql.conf");
        let conf = fs::read_to_string(conf).expect("initdb has written it");
        assert!(conf.contains("\ndynamic_shared_memory_type=mmap\n"), "{killed}");
        // Its only child.
        kept.orchestrator = processes[0].pid;
        match killed {
            "nobody" => signal(kept.pid(), Signal::TERM),
            "orchestrator" => signal(kept.orchestrator, Signal::KILL),
            _ => {
                signal(kept.pid(), Signal::STOP);
                signal(kept.orchestrator, Signal::KILL);
                signal(kept.pid(), Signal::KILL);
            }
        }
        assert_eq!(kept.end(), if killed == "nobody" { 5 } else { 137 }, "{killed}: {:?}", kept.said);
        if killed == "both" {
            let left = tollgate_env::gc(&scene.runs_root(), false).expect("it can be read");
            assert!(!left.is_empty(), "the state directory at least");
        }
        assert_gone(&scene, &processes);
    }
}

#[test]
fn an_installation_that_keeps_its_samples_elsewhere_is_asked_for_them() {
    let db = "services:\n  db:\n    image: postgres\n    environment: { POSTGRES_PASSWORD: secret }\n";
    let scene = Scene::new("elsewhere", db);
    let bin = scene.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o755)).expect("the server's user passes through");
    let programs = tollgate_env::native_programs(&scene.compose(), &names(&["db"]));
    let (server, _) = programs[0].found.clone().expect("PostgreSQL is there");
    // They look for some things beside them, and for the samples where Debian has put them.
    for program in ["postgres", "initdb"] {
        fs::copy(server.with_file_name(program), bin.join(program)).expect("a program");
    }
    let home = server.ancestors().nth(2).expect("two levels");
    for entry in home.read_dir_utf8().expect("a directory").flatten().filter(|entry| entry.file_name() != "bin") {
        std::os::unix::fs::symlink(entry.path(), scene.path().join(entry.file_name())).expect("a link");
    }
    let (cache, path) = (scene.path().join("cache"), std::env::var("PATH").expect("a path"));
    let path = format!("{bin}:{path}");
    let mut kept = Kept::spawn(&scene, "wait", &[("XDG_CACHE_HOME", cache.as_str()), ("PATH", &path)]);
    while kept.said.last().is_none_or(|line| line != "ready") {
        assert!(kept.read_line().is_some(), "{:?}\n{}", kept.said, scene.log("db"));
    }
    assert!(scene.ledger().contains(&format!("{bin}/postgres")), "{}", scene.ledger());
    let templates = cache.join("tollgate/pgdata").read_dir_utf8().expect("the cache").flatten();
    let template = templates.into_iter().find(|entry| entry.path().is_dir()).expect("one was made");
    let conf = fs::read_to_string(template.path().join("postgresql.conf")).expect("initdb wrote it");
    let settings: Vec<&str> = conf.lines().filter(|line| line.starts_with("dynamic_shared_memory_type")).collect();
    assert_eq!(settings.last(), Some(&"dynamic_shared_memory_type=mmap"), "{settings:?}");
    signal(kept.pid(), Signal::INT);
    assert_eq!(kept.end(), 130, "{:?}", kept.said);
}

#[test]
fn a_script_that_fails_is_shown_and_makes_no_template() {
    let scene = Scene::new(
        "bad-script",
        r#"
services:
  db:
    image: postgres:15
    environment: { POSTGRES_PASSWORD: secret }
    volumes: ["./bad.sql:/docker-entrypoint-initdb.d/bad.sql:ro"]
"#,
    );
    fs::write(scene.path().join("bad.sql"), "CREATE TALBE x ();").expect("a file");
    let cache = scene.path().join("cache");
    let mut kept = Kept::spawn(&scene, "wait", &[("XDG_CACHE_HOME", cache.as_str())]);
    assert_eq!(kept.end(), 5, "{:?}", kept.said);
    let said = kept.said.join("\n");
    assert!(
        said.contains("service `db` could not be started: init script `bad.sql` failed with exit code 3"),
        "{said}"
    );
    assert!(said.contains("syntax error at or near \"TALBE\""), "{said}");
    let templates = fs::read_dir(cache.join("tollgate/pgdata")).expect("the cache").flatten();
    assert_eq!(templates.filter(|entry| entry.path().is_dir()).count(), 0);
    assert_gone(&scene, &scene.recorded());
}
