//! Threads that burn CPU, so that a test runs as it would on a busy machine. Nothing of them outlives this process, whatever
//! ends it.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};
use tollgate_model::Milliseconds;

/// Steps between two looks at whether to go on: well below a millisecond.
const STEPS: u64 = 100_000;

/// Threads that burn CPU until this is dropped; then they are gone.
pub(crate) struct Burners {
    done: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// So many threads burn CPU where nothing else is asked for: two for each core.
pub(crate) fn usual() -> u32 {
    2 * cores()
}

fn cores() -> u32 {
    thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2))
}

/// What a time limit becomes beside so many burners.
///
/// On C cores that are busy as it is, a fair scheduler leaves C of C + B threads the machine, so that what takes a time t
/// there takes t · (C + B) / C; a program with fewer threads than cores loses less.
pub(crate) fn stretched(limit: Milliseconds, burners: u32) -> Milliseconds {
    stretched_on(cores(), limit, burners)
}

fn stretched_on(cores: u32, limit: Milliseconds, burners: u32) -> Milliseconds {
    limit.saturating_mul(u64::from(cores) + u64::from(burners)) / u64::from(cores.max(1))
}

impl Burners {
    /// Starts so many threads; fewer where the system gives no more.
    pub(crate) fn start(count: u32) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let start = |_| {
            let done = Arc::clone(&done);
            thread::Builder::new().name("burner".to_owned()).spawn(move || burn(&done)).ok()
        };
        Self { threads: (0..count).filter_map(start).collect(), done }
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has ended too.
            let _ = thread.join();
        }
    }
}

fn burn(done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        black_box((0..STEPS).fold(0u64, |sum, step| black_box(sum.wrapping_add(step))));
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_limit_grows_by_what_burners_take_of_the_machine() {
        let limits = [(2, 0), (2, 4), (8, 4), (1, 1)].map(|(cores, burners)| stretched_on(cores, 1_000, burners));
        assert_eq!(limits, [1_000, 3_000, 1_500, 2_000]);
    }
}
