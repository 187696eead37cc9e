//! Faults that are no kills: services that misbehave, a damaged journal, a full disk.

use crate::{
    Failure,
    daemon::Daemon,
    look, points,
    site::{ROGUE, Site, wait},
};
use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    time::{Duration, Instant},
};
use tollgate_testkit::Ended;

/// Ignores what it is asked.
const STUBBORN: &str = r#"
  stubborn:
    image: debian:bookworm-slim
    command: ["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"]
    x-tollgate: { command: ["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"] }
"#;

/// Writes two gigabytes as fast as it can.
const CHATTY: &str = r#"
  chatty:
    image: debian:bookworm-slim
    command: ["sh", "-c", "yes 'what I always wanted to say' | head -c 2000000000; exec sleep 900"]
    x-tollgate: { command: ["sh", "-c", "yes 'what I always wanted to say' | head -c 2000000000; exec sleep 900"] }
"#;

/// Writes without an end, and so does what it leaves in a session of its own.
const ENDLESS: &str = r#"
  endless:
    image: debian:bookworm-slim
    command: ["sh", "-c", "setsid yes and another word & exec yes a word"]
    x-tollgate: { command: ["sh", "-c", "setsid yes and another word & exec yes a word"] }
"#;

/// Binds its port two seconds after it was started.
const LATE: &str = r#"
  late:
    image: redis:7.0-bookworm
    command: ["sh", "-c", "sleep 2; exec redis-server --port 6379"]
    ports: ["127.0.0.1::6379"]
    x-tollgate:
      command: ["sh", "-c", "sleep 2; exec redis-server --port $$LATE_PORT"]
      environment: { LATE_PORT: "${port}" }
      ready: { tcp: 6379 }
"#;

/// Largest log of a service that may be kept.
const LOG_MAX: u64 = 300 << 20;

/// One fault and what came of it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Why it could not be caused.
    pub(crate) skipped: Option<String>,
    pub(crate) wrong: Vec<String>,
}

/// What is wrong after a fault, or why it could not be caused.
type Caused = Result<Vec<String>, String>;

type Cause = fn(&Site) -> Result<Caused, Failure>;

const ALL: [(&str, Cause); 11] = [
    ("a service ignores SIGTERM", |site| Ok(Ok(service(site, "stubborn", STUBBORN, 1)))),
    ("a service forks away, with setsid", |site| Ok(Ok(service(site, "rogue", ROGUE, 1)))),
    ("a service writes gigabytes of log", chatty),
    ("a service never stops writing", |site| Ok(Ok(service(site, "endless", ENDLESS, 1)))),
    ("a service binds its port late", |site| Ok(Ok(service(site, "late", LATE, 0)))),
    ("the journal is cut off in a line", |site| journal(site, |text| text.truncate(text.len() * 2 / 3))),
    ("the journal is overwritten", |site| {
        journal(site, |text| text.iter_mut().skip(3).step_by(5).for_each(|byte| *byte = b'?'))
    }),
    ("the disk is full at the start", |site| disk(site, "1m")),
    ("the disk gets full on the way", |site| disk(site, "40m")),
    ("no port is free", |site| Ok(ports(site))),
    ("the container engine is killed", engine),
];

/// Whether a fault is one of this engine: only containers have a daemon, and their ports are those of its network.
fn is_of(name: &str, engine: &str) -> bool {
    match name {
        "the container engine is killed" => engine == "compose",
        "no port is free" => engine == "native",
        _ => true,
    }
}

/// Causes those whose name has the text, one after the other; with `all`, one that can't be caused is wrong.
pub(crate) fn run(site: &Site, only: &str, all: bool) -> Result<Vec<Scenario>, Failure> {
    let mut scenarios = Vec::new();
    for (name, cause) in ALL.into_iter().filter(|(name, _)| name.contains(only) && is_of(name, &site.engine)) {
        let began = Instant::now();
        let (skipped, mut wrong) = match cause(site)? {
            Ok(wrong) => (None, wrong),
            Err(reason) => (Some(reason), Vec::new()),
        };
        wrong.extend(skipped.iter().filter(|_| all).map(|why| format!("not done: {why}")));
        wrong.extend(look::settled(site, false));
        let gc = site.run(&["env", "gc", "--dry-run"]);
        if gc.stdout != "nothing is left behind\n" {
            wrong.push(format!("for `env gc`: {gc}"));
            site.run(&["env", "gc"]);
        }
        let next = site.run(&["ci", "--engine", &site.engine]);
        if next.code != 0 {
            wrong.push(format!("the next run failed: {next}"));
        }
        let outcome =
            skipped.as_ref().map_or_else(|| format!("{} wrong", wrong.len()), |why| format!("not done: {why}"));
        println!("      {name}: {outcome}, next run {}, {} ms", next.code, began.elapsed().as_millis());
        let wrong = wrong.into_iter().map(|wrong| format!("{name}: {wrong}")).collect();
        scenarios.push(Scenario { name, skipped, wrong });
    }
    Ok(scenarios)
}

fn expect(ended: &Ended, code: i32) -> Vec<String> {
    if ended.code == code { Vec::new() } else { vec![format!("exit code {code} was expected: {ended}")] }
}

/// A run with one more service; containers can't leave their container, and are killed with it.
fn service(site: &Site, name: &str, text: &str, native_code: i32) -> Vec<String> {
    let _restore = site.with_services(name, text);
    let ended = site.run(&["ci", "--engine", &site.engine]);
    expect(&ended, if site.engine == "native" { native_code } else { 0 })
}

fn chatty(site: &Site) -> Result<Caused, Failure> {
    let mut wrong = service(site, "chatty", CHATTY, 0);
    let log = site.fixture.root().join("target/tollgate/latest/services/chatty.log");
    let length = fs::metadata(&log)?.len();
    if length > LOG_MAX {
        wrong.push(format!("its log has {} MiB", length >> 20));
    }
    let logs = site.run(&["env", "logs", "chatty"]);
    wrong.extend(expect(&logs, 0));
    fs::remove_file(log)?;
    Ok(Ok(wrong))
}

/// Everybody is killed as soon as a service is ready, and the ledger damaged.
fn journal(site: &Site, damage: fn(&mut Vec<u8>)) -> Result<Caused, Failure> {
    let _restore = site.with_services("rogue", ROGUE);
    let mut child = site.start_ci()?;
    await_shop(site)?;
    let orchestrator = *points::children(child.id()).first().ok_or("the keeper has an orchestrator")?;
    if !points::end(&[child.id(), orchestrator])? {
        return Err("keeper and orchestrator could not be killed".into());
    }
    wait(&mut child)?;
    let run = look::runs(site).pop().ok_or("there is a run")?;
    let ledger = site.fixture.root().join("target/tollgate/runs").join(run).join("ledger.jsonl");
    let mut text = fs::read(&ledger)?;
    if String::from_utf8_lossy(&text).contains("finished") {
        return Err("the run was torn down before its ledger could be damaged".into());
    }
    damage(&mut text);
    fs::write(&ledger, text)?;
    Ok(Ok(expect(&site.run(&["env", "gc"]), 0)))
}

/// The engine is killed in the middle of a run and comes back; `env gc` removes what nobody could remove meanwhile.
fn engine(site: &Site) -> Result<Caused, Failure> {
    let file = site.fixture.read("ci/compose.yaml");
    let images = file.lines().filter_map(|line| line.trim().strip_prefix("image: ")).map(str::to_owned).collect();
    let images: BTreeSet<String> = images;
    let mut daemon = Daemon::start(&images.into_iter().collect::<Vec<_>>())?;
    let starter = daemon.starter();
    let mut child = site.start_ci_by(&starter)?;
    await_shop(site)?;
    daemon.kill()?;
    let status = wait(&mut child)?;
    let said = fs::read_to_string(site.said())?;
    let mut wrong = Vec::new();
    if status.and_then(|status| status.code()) != Some(5) {
        wrong.push(format!("exit code 5 was expected, and it is {status:?}: {said}"));
    }
    if !said.to_lowercase().contains("docker daemon") {
        wrong.push(format!("the reason is not told: {said}"));
    }
    daemon.start_again()?;
    let starter: Vec<&str> = starter.iter().map(String::as_str).collect();
    wrong.extend(expect(&site.run_by(&starter, &["env", "gc"]), 0));
    wrong.extend(daemon.remains()?.into_iter().map(|what| format!("left in the engine: {what}")));
    let again = site.run_by(&starter, &["env", "gc", "--dry-run"]);
    if again.stdout != "nothing is left behind\n" {
        wrong.push(format!("for `env gc`: {again}"));
    }
    Ok(Ok(wrong))
}

fn await_shop(site: &Site) -> Result<(), Failure> {
    let began = Instant::now();
    while !fs::read_to_string(site.said())?.contains("Ready shop") {
        if began.elapsed() > Duration::from_mins(1) {
            return Err("the shop did not get ready".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A network of its own that has one port to give, and two servers that need one.
fn ports(site: &Site) -> Caused {
    let alone = "ip link set lo up && echo '40000 40000' >/proc/sys/net/ipv4/ip_local_port_range";
    let made = Command::new("unshare").args(["--net", "sh", "-c", alone]).output();
    if !made.as_ref().is_ok_and(|made| made.status.success()) {
        return Err(format!("no network of its own can be made: {made:?}"));
    }
    let script = format!("{alone} && exec \"$@\"");
    let ended = site.run_by(&["unshare", "--net", "sh", "-c", &script, "sh"], &["ci", "--engine", "native"]);
    let mut wrong = expect(&ended, 5);
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    if !words.join(" ").contains("no port is free") {
        wrong.push(format!("the reason is not told: {ended}"));
    }
    Ok(wrong)
}

/// Everything that runs write is on a small file system of its own.
fn disk(site: &Site, capacity: &str) -> Result<Caused, Failure> {
    let place = site.fixture.root().join("target/tollgate");
    let options = format!("size={capacity}");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tollgate-faults", place.as_str()]).output()?;
    if !mounted.status.success() {
        return Ok(Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned()));
    }
    let restore = site.with_services("chatty", CHATTY);
    let ended = site.run(&["ci", "--engine", &site.engine]);
    drop(restore);
    let mut wrong = Vec::new();
    if ended.code == 0 || ended.code == 70 || ended.code > 100 {
        wrong.push(format!("a full disk is an expected failure: {ended}"));
    }
    // What the ledger on the full disk lists goes before the disk does.
    wrong.extend(expect(&site.run(&["env", "gc"]), 0));
    wrong.extend(look::settled(site, false));
    let unmounted = Command::new("umount").arg(place.as_str()).output()?;
    if !unmounted.status.success() {
        return Err(format!("{place}: {}", String::from_utf8_lossy(&unmounted.stderr)).into());
    }
    Ok(Ok(wrong))
}
