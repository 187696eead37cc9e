//! The fault suite: kills every process that a run consists of, at random moments of every stage of `ci`, lets services
//! misbehave, damages the journal and fills the disk; after each it looks for what is left and has the next run work.
//!
//!     cargo build -p tollgate-cli && cargo run -p tollgate-cli --example faults -- --points 20
//!
//! The moments come from a seeded generator. The seed is printed; what the machine does between them is not repeatable.
#![expect(clippy::print_stdout, reason = "it is a program for the command line")]

mod daemon;
mod look;
mod points;
mod random;
mod scenarios;
mod site;

use points::Points;
use random::Random;
use scenarios::Scenario;
use site::Site;
use std::{process::ExitCode, time::Instant};

/// What went wrong while faults were caused, as opposed to what they caused.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str =
    "usage: faults [--points N] [--seed N] [--engine native|compose] [--all] [--no-scenarios | --only TEXT]";

struct Options {
    points: usize,
    seed: u64,
    engine: String,
    scenarios: bool,
    /// What the name of another fault must have.
    only: String,
    /// Whether a fault that can't be caused is an error.
    all: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
        let engine = "native".to_owned();
        let mut options = Self { points: 20, seed, engine, scenarios: true, only: String::new(), all: false };
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or(format!("{name} has no value; {USAGE}"));
            match name.as_str() {
                "--points" => options.points = value()?.parse()?,
                "--seed" => options.seed = value()?.parse()?,
                "--engine" => options.engine = value()?,
                "--only" => options.only = value()?,
                "--all" => options.all = true,
                "--no-scenarios" => options.scenarios = false,
                other => return Err(format!("`{other}` is not an option; {USAGE}").into()),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("the suite itself failed: {error}");
            ExitCode::from(2)
        }
    }
}

/// Every kind of fault, how often it was caused, and how much was wrong or left after it.
fn classes(points: &Points, scenarios: &[Scenario]) -> Vec<(String, u64, usize)> {
    let killed = points.classes();
    let others = scenarios.iter().map(|scenario| {
        let name = match &scenario.skipped {
            Some(why) => format!("{} (not caused: {why})", scenario.name),
            None => scenario.name.to_owned(),
        };
        (name, u64::from(scenario.skipped.is_none()), scenario.wrong.len())
    });
    killed.into_iter().chain(others).collect()
}

/// Causes all faults; tells whether nothing was wrong after any of them.
fn run() -> Result<bool, Failure> {
    let options = Options::parse(std::env::args().skip(1))?;
    let began = Instant::now();
    println!("faults: {} kill points, {} engine, seed {}", options.points, options.engine, options.seed);
    let site = Site::new(&options.engine)?;
    let mut random = Random::new(options.seed);
    let points = points::run(&site, options.points, &mut random)?;
    let scenarios = if options.scenarios { scenarios::run(&site, &options.only, options.all)? } else { Vec::new() };
    let wrong: Vec<&String> =
        points.wrong.iter().chain(scenarios.iter().flat_map(|scenario| &scenario.wrong)).collect();
    for line in &wrong {
        println!("WRONG {line}");
    }
    println!("\nkilled in: {}", points.counts());
    println!("\ncaused  wrong or left  fault");
    for (name, count, wrong) in classes(&points, &scenarios) {
        println!("{count:6}  {wrong:13}  {name}");
    }
    let done = scenarios.iter().filter(|scenario| scenario.skipped.is_none()).count();
    println!(
        "{} kill points that hit, {done} of {} other faults, in {} s: {} things wrong or left behind",
        points.hits(),
        scenarios.len(),
        began.elapsed().as_secs(),
        wrong.len()
    );
    Ok(wrong.is_empty())
}
