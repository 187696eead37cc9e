//! Kill points: one process of a run is killed at a random moment of a chosen stage.

use crate::{
    Failure, look,
    random::Random,
    site::{ROGUE, Site, wait},
};
use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command},
    time::{Duration, Instant},
};

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Orchestrator,
    Keeper,
    Both,
    Service,
}

const VICTIMS: [Victim; 4] = [Victim::Orchestrator, Victim::Keeper, Victim::Both, Victim::Service];

impl Victim {
    fn name(self) -> &'static str {
        match self {
            Self::Orchestrator => "the orchestrator",
            Self::Keeper => "the keeper",
            Self::Both => "the keeper and the orchestrator",
            Self::Service => "a service",
        }
    }
}

/// A full run is made after every so many points; after the others, only the integration tier.
const FULL_RUN_EVERY: usize = 10;

/// The stage before the first event.
const SURVEY: &str = "survey";

/// How long the kernel may take to end what it was told to kill.
const KILL_LIMIT: Duration = Duration::from_secs(20);

/// What came of the points.
#[derive(Debug, Default)]
pub(crate) struct Points {
    /// How often each was killed, and how much was wrong after that.
    killed: BTreeMap<Victim, (u64, usize)>,
    stages: BTreeMap<String, u64>,
    missed: u64,
    pub(crate) wrong: Vec<String>,
}

impl Points {
    /// How many hit a run that was alive.
    pub(crate) fn hits(&self) -> u64 {
        self.killed.values().map(|(hits, _)| hits).sum()
    }

    /// How many hits each stage took, and how many came too late for one.
    pub(crate) fn counts(&self) -> String {
        let stages: Vec<String> = self.stages.iter().map(|(stage, count)| format!("{stage} {count}")).collect();
        format!("{}; too late {}", stages.join(", "), self.missed)
    }

    /// Who was killed, how often, and how much was wrong after that.
    pub(crate) fn classes(&self) -> Vec<(String, u64, usize)> {
        let class = |victim: Victim| {
            let (hits, wrong) = self.killed.get(&victim).copied().unwrap_or_default();
            (format!("SIGKILL, at a random moment: {}", victim.name()), hits, wrong)
        };
        VICTIMS.map(class).to_vec()
    }
}

/// A stage of a calm run: from when to when after its start, in milliseconds.
type Stage = (String, u64, u64);

/// Kills at as many points as are wanted.
pub(crate) fn run(site: &Site, count: usize, random: &mut Random) -> Result<Points, Failure> {
    let stages = calm(site)?;
    let words: Vec<String> = stages.iter().map(|(name, from, to)| format!("{name} {from}-{to} ms")).collect();
    println!("a calm run: {}", words.join(", "));
    let mut points = Points::default();
    let mut number = 0;
    while number < count {
        let stage = &stages[number % stages.len()];
        // Every victim in every stage, whatever their numbers have in common.
        let victim = VICTIMS[(number + number / stages.len()) % VICTIMS.len()];
        if point(site, (number, victim, stage), random, &mut points)? {
            number += 1;
        }
        if points.missed > 2 * count as u64 + 20 {
            return Err("most runs are over before they can be hit".into());
        }
    }
    Ok(points)
}

/// One calm run: when its stages begin and end.
fn calm(site: &Site) -> Result<Vec<Stage>, Failure> {
    // The first one builds everything.
    let first = site.run(&["ci", "--engine", &site.engine]);
    if first.code != 0 {
        return Err(format!("a run without faults is not green: {first}").into());
    }
    site.dirty()?;
    let began = jiff::Timestamp::now();
    let mut child = site.start_ci()?;
    let status = wait(&mut child)?;
    if status.is_none_or(|status| !status.success()) {
        return Err(format!("a run without faults is not green: {}", fs::read_to_string(site.said())?).into());
    }
    let total = u64::try_from(jiff::Timestamp::now().duration_since(began).as_millis())?;
    let mut stages: Vec<Stage> = vec![(SURVEY.to_owned(), 0, 0)];
    for event in events(site, &look::runs(site).pop().unwrap_or_default()) {
        let at: jiff::Timestamp = event["at"].as_str().ok_or("an event has a time")?.parse()?;
        let at = u64::try_from(at.duration_since(began).as_millis())?;
        let Some(name) = stage_of(&event["event"]).filter(|name| stages.iter().all(|(known, ..)| known != name)) else {
            continue;
        };
        if let Some(last) = stages.last_mut() {
            last.2 = at;
        }
        stages.push((name, at, at));
    }
    if let Some(last) = stages.last_mut() {
        last.2 = total;
    }
    Ok(stages)
}

/// The events of a run so far.
fn events(site: &Site, run: &str) -> Vec<serde_json::Value> {
    let path = site.fixture.root().join("target/tollgate/runs").join(run).join("events.jsonl");
    let text = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The stage that an event begins.
fn stage_of(event: &serde_json::Value) -> Option<String> {
    let word = match event["kind"].as_str()? {
        "step" if event["state"] == "started" => &event["step"],
        "tier-started" => &event["tier"],
        "service" if event["state"] == "stopped" => return Some("tear-down".to_owned()),
        _ => return None,
    };
    word.as_str().map(str::to_owned)
}

/// Waits until the run is in a stage; tells whether it is still alive.
fn reached(site: &Site, before: &[String], stage: &str, child: &mut Child) -> Result<bool, Failure> {
    loop {
        let newest = look::runs(site).pop().filter(|run| !before.contains(run));
        let in_stage =
            |run: String| events(site, &run).iter().any(|event| stage_of(&event["event"]).as_deref() == Some(stage));
        if stage == SURVEY || newest.is_some_and(in_stage) {
            return Ok(true);
        }
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One point; tells whether it hit a run that was alive.
fn point(
    site: &Site,
    (number, victim, stage): (usize, Victim, &Stage),
    random: &mut Random,
    points: &mut Points,
) -> Result<bool, Failure> {
    let (name, from, to) = stage;
    let wrong_before = points.wrong.len();
    let at = Duration::from_millis(random.below(to - from));
    let rogue = random.below(3) == 0;
    if random.below(5) == 0 {
        site.forget_templates();
    }
    site.dirty()?;
    let restore = rogue.then(|| site.with_services("rogue", ROGUE));
    let before = look::runs(site);
    let mut child = site.start_ci()?;
    reached(site, &before, name, &mut child)?;
    let began = Instant::now();
    while began.elapsed() < at && child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let hit = kill(site, &child, victim, random)?;
    let ended = wait(&mut child)?;
    if ended.is_none() {
        points.wrong.push(format!("point {number}: the run did not end\n{}", fs::read_to_string(site.said())?));
    }
    let left = after(site, victim)?;
    drop(restore);
    let what = format!("{victim:?}, {} ms into {name}{}", at.as_millis(), if rogue { ", with a rogue" } else { "" });
    if hit {
        *points.stages.entry(name.clone()).or_default() += 1;
    } else {
        points.missed += 1;
    }
    points.wrong.extend(left.iter().map(|left| format!("point {number}, {what}: {left}")));
    let next = if number % FULL_RUN_EVERY == 0 {
        site.run(&["ci", "--engine", &site.engine])
    } else {
        site.run(&["test", "integration", "--engine", &site.engine])
    };
    if next.code != 0 {
        points.wrong.push(format!("point {number}, {what}: the next run failed: {next}"));
    }
    let class = points.killed.entry(victim).or_default();
    *class = (class.0 + u64::from(hit), class.1 + points.wrong.len() - wrong_before);
    let hit_or_not = if hit { "" } else { ", too late" };
    println!("{number:4}  {what}{hit_or_not}: {} left, next run {}", left.len(), next.code);
    Ok(hit)
}

/// What is left after a point; where nobody was left to clean up, after `env gc`.
fn after(site: &Site, victim: Victim) -> Result<Vec<String>, Failure> {
    if victim == Victim::Both {
        let gc = site.run(&["env", "gc"]);
        if gc.code != 0 {
            return Ok(vec![format!("`env gc` failed: {gc}")]);
        }
    }
    let mut left = look::settled(site, false);
    let gc = site.run(&["env", "gc", "--dry-run"]);
    if gc.stdout != "nothing is left behind\n" {
        left.push(format!("for `env gc`: {gc}"));
        // The next point is to be judged for itself.
        site.run(&["env", "gc"]);
    }
    if !left.is_empty() {
        left.push(format!("the run had said:\n{}", fs::read_to_string(site.said())?));
    }
    Ok(left)
}

/// Kills; tells whether there was somebody to kill.
fn kill(site: &Site, keeper: &Child, victim: Victim, random: &mut Random) -> Result<bool, Failure> {
    let children = children(keeper.id());
    let pids = match victim {
        Victim::Orchestrator => children.into_iter().take(1).collect(),
        Victim::Keeper => vec![keeper.id()],
        Victim::Both => [vec![keeper.id()], children.into_iter().take(1).collect()].concat(),
        Victim::Service => {
            let services = services(site, keeper.id());
            let some = services.get(usize::try_from(random.below(services.len() as u64))?).copied();
            some.into_iter().collect()
        }
    };
    if pids.is_empty() || ended(keeper.id()) {
        return Ok(false);
    }
    end(&pids)
}

/// Kills them and waits until the kernel has ended them, bounded: until then the run's lock is held, and `env gc`
/// rightly takes the run for alive. Tells whether all were there to be killed.
pub(crate) fn end(pids: &[u32]) -> Result<bool, Failure> {
    let words: Vec<String> = ["-KILL".to_owned()].into_iter().chain(pids.iter().map(u32::to_string)).collect();
    let output = Command::new("kill").args(words).output()?;
    let deadline = Instant::now() + KILL_LIMIT;
    while !pids.iter().all(|pid| ended(*pid)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(output.status.success())
}

fn ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

pub(crate) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Service processes of the run; where there are none, whatever the orchestrator has started.
fn services(site: &Site, keeper: u32) -> Vec<u32> {
    let newest = look::runs(site).pop().unwrap_or_default();
    let entries = look::ledger(site, &newest);
    let orchestrator = children(keeper).into_iter().next();
    let own = entries.first().and_then(|entry| entry["process"]["pid"].as_u64());
    let recorded = entries.iter().filter(|entry| entry["entry"] == "process");
    let alive = recorded.filter_map(|entry| u32::try_from(entry["process"]["pid"].as_u64()?).ok());
    let alive: Vec<u32> = alive.filter(|pid| !ended(*pid)).collect();
    let ours = own.is_some() && own == orchestrator.map(u64::from);
    let threads = |pid: u32| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let started = |pid: u32| {
        let tasks = threads(pid).filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let text = tasks.collect::<Vec<_>>().join(" ");
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
    };
    if ours && !alive.is_empty() { alive } else { orchestrator.map(started).unwrap_or_default() }
}
