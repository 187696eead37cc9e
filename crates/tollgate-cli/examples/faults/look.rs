//! What is left: processes, control groups, listening ports, state directories, shared memory, containers, networks, volumes.

use crate::site::Site;
use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// How long what was killed may take to be gone. The kernel and the servers need a moment, containers their grace.
const LIMIT: Duration = Duration::from_secs(30);

/// Everything of the site's runs that is there now, in words.
pub(crate) fn everything(site: &Site) -> Vec<String> {
    let runs = runs(site);
    let mut found = processes(site, &runs);
    found.extend(ports(site, &runs));
    found.extend(directories(&runs));
    found.extend(shared_memory().difference(&site.shared_memory).cloned());
    found.extend(control_groups(&runs));
    found.extend(containers(&runs));
    found
}

/// Waits until nothing is there, bounded, and returns what stays. With `gc`, what is not a process is not waited for.
pub(crate) fn settled(site: &Site, only_processes: bool) -> Vec<String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let found = if only_processes { processes(site, &runs(site)) } else { everything(site) };
        if found.is_empty() || Instant::now() >= deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Names of the runs there ever were.
pub(crate) fn runs(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.fixture.root().join("target/tollgate/runs")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Lines of the ledger of a run, as JSON.
pub(crate) fn ledger(site: &Site, run: &str) -> Vec<serde_json::Value> {
    let path = site.fixture.root().join("target/tollgate/runs").join(run).join("ledger.jsonl");
    let text = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Process ids that the ledgers name, with their start times.
fn recorded(site: &Site, runs: &[String]) -> BTreeSet<(u64, u64)> {
    let entries = runs.iter().flat_map(|run| ledger(site, run));
    let id =
        |entry: serde_json::Value| Some((entry["process"]["pid"].as_u64()?, entry["process"]["start-time"].as_u64()?));
    entries.filter_map(id).collect()
}

fn processes(site: &Site, runs: &[String]) -> Vec<String> {
    let root = site.fixture.root().as_str();
    let (own, recorded) = (std::process::id(), recorded(site, runs));
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|pid| *pid != own);
    pids.filter_map(|pid| process(pid, root, runs, &recorded)).collect()
}

/// A process of the site: by its command line, its directory, its variables, or a ledger.
fn process(pid: u32, root: &str, runs: &[String], recorded: &BTreeSet<(u64, u64)>) -> Option<String> {
    let read =
        |name: &str| String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()).into_owned();
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    if matches!(fields.first(), Some(&"Z" | &"X") | None) {
        return None;
    }
    let born = fields.get(19)?.parse().ok()?;
    let (line, variables) = (read("cmdline"), read("environ"));
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let marked = variables.split('\0').filter_map(|entry| entry.strip_prefix("TOLLGATE_SERVICE="));
    let marked = marked.into_iter().any(|mark| runs.iter().any(|run| mark.starts_with(&format!("{run}/"))));
    let ours = line.contains(root)
        || directory.starts_with(root)
        || variables.contains(root)
        || marked
        || recorded.contains(&(u64::from(pid), born));
    ours.then(|| format!("process {pid} ({})", line.replace('\0', " ").trim()))
}

/// Addresses that services said they were ready at and that somebody still listens on.
fn ports(site: &Site, runs: &[String]) -> Vec<String> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let listens = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
        (state == "0A").then(|| u16::from_str_radix(local.split(':').nth(1)?, 16).ok())?
    };
    let open: BTreeSet<u16> = table.lines().filter_map(listens).collect();
    let said = |run: &String| {
        let path = site.fixture.root().join("target/tollgate/runs").join(run).join("events.jsonl");
        let text = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let events = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let ready = events.filter(|event| event["event"]["state"] == "ready");
        let port =
            |event: serde_json::Value| event["event"]["detail"].as_str()?.rsplit_once(':')?.1.parse::<u16>().ok();
        ready.filter_map(port).collect::<Vec<u16>>()
    };
    // Of the newest run only: the ports of older ones may be somebody else's by now.
    let ports = runs.last().map(said).unwrap_or_default().into_iter().filter(|port| open.contains(port));
    ports.map(|port| format!("port {port} is listened on")).collect()
}

fn directories(runs: &[String]) -> Vec<String> {
    let temporary = std::env::temp_dir();
    let parents = ["/dev/shm", "/tmp", &temporary.to_string_lossy()].map(str::to_owned);
    let parents: BTreeSet<String> = parents.into_iter().collect();
    let roots = parents.iter().flat_map(|parent| fs::read_dir(parent).into_iter().flatten().flatten());
    let roots = roots.filter(|entry| entry.file_name().to_string_lossy().starts_with("tollgate-"));
    let all = roots.flat_map(|root| fs::read_dir(root.path()).into_iter().flatten().flatten());
    let ours = all.filter(|entry| runs.iter().any(|run| entry.file_name() == **run));
    ours.map(|entry| format!("directory {}", entry.path().display())).collect()
}

fn control_groups(runs: &[String]) -> Vec<String> {
    let mut groups = vec![PathBuf::from("/sys/fs/cgroup")];
    let mut found = Vec::new();
    while let Some(group) = groups.pop() {
        let name = group.file_name().unwrap_or_default().to_string_lossy();
        if name.strip_prefix("tollgate-").is_some_and(|name| runs.iter().any(|run| run == name)) {
            found.push(format!("control group {}", group.display()));
        }
        let entries = fs::read_dir(&group).into_iter().flatten().flatten();
        groups.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
        );
    }
    found
}

/// Every segment of the machine that nobody is attached to, and every file of PostgreSQL's that is one. Who made it can't be told from here: the servers that prepare a
/// data directory are in no ledger.
pub(crate) fn shared_memory() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let left = lines.filter(|fields| fields.get(6) == Some(&"0"));
    let left = left.map(|fields| format!("shared memory {}", fields[..5].join(" ")));
    // That of POSIX is in files; PostgreSQL's are named so.
    let files = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let files = files.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let files = files.filter(|name| name.starts_with("PostgreSQL.")).map(|name| format!("shared memory {name}"));
    left.chain(files).collect()
}

/// What a container engine has of the runs, where there is one.
fn containers(runs: &[String]) -> Vec<String> {
    let kinds: [(&str, &[&str]); 3] = [
        ("container", &["ps", "--all", "--format", "{{.Names}}"]),
        ("network", &["network", "ls", "--format", "{{.Name}}"]),
        ("volume", &["volume", "ls", "--format", "{{.Name}}"]),
    ];
    let mut found = Vec::new();
    for (kind, args) in kinds {
        let Ok(output) = Command::new("docker").args(args).output() else { return found };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let ours = text.lines().filter(|name| runs.iter().any(|run| name.contains(run.as_str())));
        found.extend(ours.map(|name| format!("{kind} {name}")));
    }
    found
}
