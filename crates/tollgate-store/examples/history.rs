//! A history of made-up runs.
//!
//! - `history write DIR FIRST COUNT` adds runs and prints the name of each record when it is on the disk; tests of several
//!   writers start it.
//! - `history measure DIR TESTS RUNS` adds runs of so many tests and prints what the history takes on the disk and how long
//!   questions take.
//! - `history ask DIR RUNS` asks the same questions of a history that is there, to which so many runs were added.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use camino::Utf8Path;
use std::{collections::BTreeMap, error::Error, time::Instant};
use tollgate_model::{
    Ending, FailureRecord, Fingerprint, Outcome, RunId, RunRecord, SCHEMA, Source, StageName, TestId, TestOutcome,
    TestRecord, TierName, TierRecord, TreeId,
};
use tollgate_store::History;

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["write", directory, first, count] => write(directory.into(), first.parse()?, count.parse()?),
        ["measure", directory, tests, runs] => measure(directory.into(), tests.parse()?, runs.parse()?),
        ["ask", directory, runs] => ask(directory.into(), runs.parse()?),
        _ => Err("write DIR FIRST COUNT, measure DIR TESTS RUNS, or ask DIR RUNS".into()),
    }
}

fn write(directory: &Utf8Path, first: u32, count: u32) -> Done {
    let history = History::open(directory)?;
    for run in first..first + count {
        println!("{}", history.add(&made_up(run, 50)?)?);
    }
    Ok(())
}

fn measure(directory: &Utf8Path, tests: u32, runs: u32) -> Done {
    let history = History::open(directory)?;
    let added = timed(|| {
        (0..runs).try_for_each(|run| history.add(&made_up(run, tests)?).map(drop).map_err(Box::<dyn Error>::from))
    });
    println!("adding {runs} runs of {tests} tests: {added}");
    let size = |name: &str| bytes(&directory.join(name)) as f64 / 1e6;
    println!("index made: {}", timed(|| history.index().map(drop)));
    println!("records {:.1} MB, blobs {:.1} MB, index {:.1} MB", size("records"), size("blobs"), size("index.sqlite"));
    ask(directory, runs)?;
    println!("every record read and checked: {}", timed(|| history.records().map(Iterator::count).map(drop)));
    let archive = directory.join("archive");
    println!("export: {}", timed(|| history.export(&archive).map(drop)));
    println!("archive {:.1} MB", bytes(&archive) as f64 / 1e6);
    Ok(())
}

fn ask(directory: &Utf8Path, runs: u32) -> Done {
    let history = History::open(directory)?;
    println!("index opened, nothing new: {}", best(|| history.index().map(drop)));
    let index = history.index()?;
    println!("last 300 runs with every test that did not pass: {}", best(|| index.runs(300).map(drop)));
    println!("median duration of each test, last 200 runs: {}", best(|| index.typical(200).map(drop)));
    let (stage, trees) = (StageName::new("production")?, [tree(u32::MAX)?, tree(runs / 2)?]);
    println!("nearest baseline: {}", best(|| history.nearest(&trees, &stage).map(drop)));
    Ok(())
}

/// How long something takes, or what went wrong.
fn timed<E: std::fmt::Display>(work: impl FnOnce() -> Result<(), E>) -> String {
    milliseconds(work).map_or_else(|error| error.to_string(), |ms| format!("{ms:.1} ms"))
}

/// How long a question takes that other work on the machine does not delay: the best of ten.
fn best<E: std::fmt::Display>(mut work: impl FnMut() -> Result<(), E>) -> String {
    let all: Result<Vec<f64>, E> = (0..10).map(|_| milliseconds(&mut work)).collect();
    all.map_or_else(|error| error.to_string(), |all| format!("{:.2} ms", all.into_iter().fold(f64::INFINITY, f64::min)))
}

fn milliseconds<E>(work: impl FnOnce() -> Result<(), E>) -> Result<f64, E> {
    let began = Instant::now();
    work().map(|()| began.elapsed().as_secs_f64() * 1e3)
}

/// Bytes of a file, or of all files below a directory.
fn bytes(path: &Utf8Path) -> u64 {
    match path.read_dir_utf8() {
        Ok(entries) => entries.flatten().map(|entry| bytes(entry.path())).sum(),
        Err(_) => path.metadata().map_or(0, |file| file.len()),
    }
}

fn tree(run: u32) -> Result<TreeId, Box<dyn Error>> {
    Ok(TreeId::new(format!("{run:040x}"))?)
}

/// A number that looks like chance and is the same each time.
fn noise(run: u32, test: u32) -> u64 {
    let mut state = (u64::from(run) << 32 | u64::from(test)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Tests last 1 ms to 10 s, each within 10 % of its usual time; one in 5,000 does not pass at once.
fn made_up(run: u32, tests: u32) -> Result<RunRecord, Box<dyn Error>> {
    let test = |test: u32| {
        let usual = 1 + noise(u32::MAX, test) % 10_000;
        let mut record = TestRecord::passed(
            TestId::new(format!("package_{}::integration", test / 200), format!("module_{}::test_{test}", test / 20)),
            usual * (90 + noise(run, test) % 21) / 100,
        );
        if noise(test, run).is_multiple_of(5_000) {
            (record.outcome, record.attempts, record.failures) = (TestOutcome::Flaky, 2, 1);
            let fingerprint = Fingerprint::new(format!("{:016x}", noise(1, test % 7))).ok()?;
            record.failure = Some(FailureRecord { fingerprint, message: format!("port {} is taken", test * 7) });
        }
        Some(record)
    };
    Ok(RunRecord {
        schema: SCHEMA,
        run: RunId::new(format!("run-{run}"))?,
        parts: Vec::new(),
        started_at: jiff::Timestamp::from_second(1_795_000_000 + 600 * i64::from(run))?,
        wall_ms: 90_000,
        commit: Some(format!("{run:040x}")),
        tree: Some(tree(run)?),
        branch: Some("main".into()),
        source: Source::Main,
        inputs: None,
        stage: StageName::new("production")?,
        engine: None,
        ending: Ending::Completed,
        complete: true,
        outcome: Outcome::Passed,
        gates: Vec::new(),
        tiers: vec![TierRecord {
            name: TierName::new("unit")?,
            wall_ms: 60_000,
            tests: (0..tests).filter_map(test).collect(),
        }],
        blobs: BTreeMap::new(),
    })
}
