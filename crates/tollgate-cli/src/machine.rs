//! What the machine does while a tier runs: how fast it is, and who uses it.
//!
//! A speed that was measured before the tier says nothing of the time of the tier, so that it is sampled all the while: 10 ms
//! of work every four seconds, a quarter of a percent of one core. What the kernel counts tells this run's share: the CPU
//! time of all processes below the keeper against that of the machine.

use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tollgate_model::MachineEvidence;

/// Time between two samples, and the time that one takes.
const EVERY: Duration = Duration::from_secs(4);
const SAMPLE: Duration = Duration::from_millis(10);

/// Steps of a piece of work: a fraction of a millisecond, which is shorter than a time slice, so that some of many pieces are
/// not interrupted and show the machine at its best.
const STEPS: u64 = 20_000;

/// What `/proc` counts in.
const TICK_MS: u64 = 10;

/// Counts and samples from its start to its end.
pub(crate) struct MachineWatch {
    before: Counters,
    began: Instant,
    done: Sender<()>,
    sampler: JoinHandle<Vec<Sample>>,
}

/// What a piece of work took at best, and on average.
struct Sample {
    best: Duration,
    mean: Duration,
}

impl MachineWatch {
    /// Starts; none where the system does not count what is needed.
    pub(crate) fn start() -> Option<Self> {
        let before = Counters::read()?;
        let (done, wait) = channel::<()>();
        let sample_all = move || {
            let mut samples = vec![sample()];
            while wait.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                samples.push(sample());
            }
            samples
        };
        let sampler = thread::Builder::new().name("machine".to_owned()).spawn(sample_all).ok()?;
        Some(Self { before, began: Instant::now(), done, sampler })
    }

    /// Ends, and says what was seen.
    pub(crate) fn end(self) -> Option<MachineEvidence> {
        let (wall, after) = (self.began.elapsed(), Counters::read());
        drop(self.done);
        let samples = self.sampler.join().ok()?;
        Some(after?.since(&self.before, wall, speed_permille(&samples)))
    }
}

fn sample() -> Sample {
    let began = Instant::now();
    let (mut best, mut pieces) = (Duration::MAX, 0);
    while began.elapsed() < SAMPLE {
        let piece = Instant::now();
        black_box((0..STEPS).fold(0_u64, |sum, step| black_box(sum.wrapping_add(step))));
        best = best.min(piece.elapsed());
        pieces += 1;
    }
    Sample { best, mean: began.elapsed() / pieces.max(1) }
}

/// The best piece of all samples against the mean of the median sample.
fn speed_permille(samples: &[Sample]) -> u32 {
    let mut means: Vec<Duration> = samples.iter().map(|sample| sample.mean).collect();
    means.sort_unstable();
    let (best, median) = (samples.iter().map(|sample| sample.best).min(), means.get(means.len() / 2));
    best.zip(median).map_or(1000, |(best, median)| permille(best.as_nanos(), median.as_nanos()))
}

/// What is counted since the machine was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counters {
    /// Ticks of processes that this one has waited for, and of what those have waited for.
    waited_for: u64,
    /// Ticks of all processes of this run.
    own: u64,
    /// Ticks in which the machine worked, or the host did in its place.
    busy: u64,
    /// Ticks that the host took.
    steal: u64,
    /// Ticks of all CPUs.
    all: u64,
    /// Microseconds in which something waited for a CPU.
    pressure_us: u64,
}

impl Counters {
    /// None as well where this run has not all CPUs of the machine: what others do on theirs is in no way of it.
    fn read() -> Option<Self> {
        let pressure = fs::read_to_string("/proc/pressure/cpu").ok()?;
        let pressure_us = pressure.lines().next()?.rsplit_once("total=")?.1.parse().ok()?;
        let stat = fs::read_to_string("/proc/stat").ok()?;
        if thread::available_parallelism().map_or(true, |own| own.get() < cpus(&stat)) {
            return None;
        }
        let times: Vec<u64> =
            stat.lines().next()?.split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
        // What guests use comes after these, and is counted as the user's too.
        let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = times[..] else { return None };
        let working = user + nice + system + irq + softirq;
        let processes = processes();
        let this = processes.get(&std::process::id())?;
        let root = if crate::is_kept() { this.parent } else { std::process::id() };
        Some(Self {
            waited_for: this.waited_for,
            own: below(&processes, root),
            busy: working + steal,
            steal,
            all: working + steal + idle + iowait,
            pressure_us,
        })
    }

    fn since(&self, before: &Self, wall: Duration, speed_permille: u32) -> MachineEvidence {
        let grown = |count: fn(&Self) -> u64| u128::from(count(self).saturating_sub(count(before)));
        let busy = grown(|it| it.busy);
        let steal_permille = permille(grown(|it| it.steal), grown(|it| it.all));
        let waiting = permille(grown(|it| it.pressure_us), wall.as_micros());
        MachineEvidence {
            cpu_ms: self.waited_for.saturating_sub(before.waited_for) * TICK_MS,
            foreign_permille: permille(busy.saturating_sub(grown(|it| it.own)), busy),
            pressure_permille: (waiting + steal_permille).min(1000),
            steal_permille,
            speed_permille,
        }
    }
}

/// How many CPUs `/proc/stat` has a line of.
fn cpus(stat: &str) -> usize {
    let lines = stat.lines().filter_map(|line| line.strip_prefix("cpu"));
    lines.filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit())).count()
}

/// A process as `/proc/<pid>/stat` has it.
struct Process {
    parent: u32,
    /// Its own ticks and those of the processes that it has waited for.
    ticks: u64,
    waited_for: u64,
}

fn processes() -> BTreeMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // One that ends meanwhile is none.
    pids.filter_map(|pid| Some((pid, process(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

/// Fields 4 and 14 to 17; the second one, the name, may have spaces and brackets.
fn process(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let waited_for = field(16)? + field(17)?;
    Some(Process { parent: u32::try_from(field(4)?).ok()?, ticks: field(14)? + field(15)? + waited_for, waited_for })
}

/// Ticks of a process and of all that descend from it.
fn below(processes: &BTreeMap<u32, Process>, root: u32) -> u64 {
    let own = processes.get(&root).map_or(0, |process| process.ticks);
    let children = processes.iter().filter(|(pid, process)| process.parent == root && **pid != root);
    own + children.map(|(pid, _)| below(processes, *pid)).sum::<u64>()
}

/// A part of a whole in thousandths, at most all of it; nothing of nothing.
fn permille(part: u128, whole: u128) -> u32 {
    let share = (part * 1000).checked_div(whole).unwrap_or(0).min(1000);
    u32::try_from(share).unwrap_or(1000)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let stat = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 300 4000 20 0 1 0 9 9 9";
        let read = process(stat).expect("a process");
        assert_eq!((read.parent, read.ticks, read.waited_for), (7, 4330, 4300));
        assert!(process("42 (a) S").is_none());
    }

    #[test]
    fn the_line_of_all_cpus_together_is_none_of_them() {
        assert_eq!(cpus("cpu  9 9\ncpu0 4 4\ncpu1 5 5\nintr 7\nctxt 1\n"), 2);
    }

    #[test]
    fn all_that_descends_from_the_root_is_of_this_run() {
        let process = |parent, ticks| Process { parent, ticks, waited_for: 0 };
        let all = [(1, process(0, 1)), (2, process(1, 10)), (3, process(2, 100)), (4, process(1, 1000))];
        assert_eq!([below(&all.into(), 2), below(&BTreeMap::new(), 2)], [110, 0]);
    }

    #[test]
    fn what_others_use_is_what_the_machine_does_and_this_run_does_not() {
        let before = Counters::default();
        let after = Counters { waited_for: 300, own: 400, busy: 1000, steal: 100, all: 2000, pressure_us: 4_000_000 };
        let expect = MachineEvidence {
            cpu_ms: 3000,
            foreign_permille: 600,
            pressure_permille: 450,
            steal_permille: 50,
            speed_permille: 580,
        };
        assert_eq!(after.since(&before, Duration::from_secs(10), 580), expect);
        assert_eq!(Counters { own: 9000, ..after }.since(&before, Duration::ZERO, 0).foreign_permille, 0);
    }

    #[test]
    fn the_speed_is_that_of_the_median_sample_against_the_best_piece() {
        let sample = |best, mean| Sample { best: Duration::from_micros(best), mean: Duration::from_micros(mean) };
        assert_eq!(speed_permille(&[sample(50, 100), sample(90, 200), sample(80, 5000)]), 250);
        assert_eq!(speed_permille(&[]), 1000);
    }
}
