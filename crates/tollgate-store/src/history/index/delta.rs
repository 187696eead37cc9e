//! Durations of a run as differences from others of the same tests, half a byte each.
//!
//! A test takes about as long as it took before: in steps of 6 %, most durations are within seven steps of an earlier one,
//! 0.66 to 1.5 times as long. Two tests share a byte, the earlier one in its upper half; what differs by more has
//! [`FAR`] there, and its duration as a whole after the halves, in the order of the tests.

/// What stands for no difference.
const SAME: u8 = 7;

/// What stands for a difference that half a byte does not hold.
const FAR: u8 = 15;

/// Writes durations as differences from `usual`, which are of the same tests.
pub(super) fn fold(usual: &[u8], durations: &[u8]) -> Vec<u8> {
    let mut far = Vec::new();
    let mut half = |(&usual, &duration): (&u8, &u8)| {
        let half = duration.wrapping_sub(usual).wrapping_add(SAME);
        if half < FAR {
            half
        } else {
            far.push(duration);
            FAR
        }
    };
    let pairs = usual.chunks(2).zip(durations.chunks(2));
    let mut folded: Vec<u8> = pairs
        .map(|(usual, durations)| {
            let mut halves = usual.iter().zip(durations).map(&mut half);
            (halves.next().unwrap_or(SAME) << 4) | halves.next().unwrap_or(SAME)
        })
        .collect();
    folded.append(&mut far);
    folded
}

/// Appends to `durations` what was folded against `usual`, and says no where it is not of so many tests.
fn unfold(usual: &[u8], folded: &[u8], durations: &mut Vec<u8>) -> bool {
    let Some((halves, far)) = folded.split_at_checked(usual.len().div_ceil(2)) else { return false };
    let before = durations.len();
    durations.extend_from_slice(usual);
    let new = &mut durations[before..];
    let (mut test, mut next) = (0, 0);
    while test < new.len() {
        let pair = halves[test / 2];
        let half = if test % 2 == 0 { pair >> 4 } else { pair & FAR };
        if half == FAR {
            // Beyond the end there is nothing, which the comparison below notices.
            new[test] = far.get(next).copied().unwrap_or_default();
            next += 1;
        } else {
            new[test] = new[test].wrapping_add(half).wrapping_sub(SAME);
        }
        test += 1;
    }
    next == far.len()
}

/// The most runs that a [`Tally`] holds.
pub(super) const RUNS_MAX: u16 = u16::MAX;

/// How many runs a [`Tally`] writes out before it counts: a table of counts is as large as these and more, and where every commit
/// adds a test there are as many tallies as runs.
const WRITTEN_OUT: usize = 16;

/// Durations of several runs of the same tests, at most [`RUNS_MAX`] of them.
///
/// There are millions of them, and users build this without optimisation: hence plain loops, and most runs are counted only.
pub(super) struct Tally {
    usual: Vec<u8>,
    /// The first runs, at most [`WRITTEN_OUT`], one after the other.
    first: Vec<u8>,
    /// Of all others, by test and half byte, how many have it; where the tests are odd in number, a last one that says nothing.
    near: Vec<[u16; 16]>,
    /// Of these, by test, the durations that half a byte does not hold.
    far: Vec<Vec<u8>>,
}

impl Tally {
    /// No run yet of tests that usually take this long.
    pub(super) fn new(usual: Vec<u8>) -> Self {
        Self { usual, first: Vec::new(), near: Vec::new(), far: Vec::new() }
    }

    /// How many tests there are.
    pub(super) fn tests(&self) -> usize {
        self.usual.len()
    }

    /// Whether the next run is counted; the tables are there then.
    fn counts(&mut self) -> bool {
        let counts = self.first.len() >= WRITTEN_OUT * self.tests();
        if counts {
            let tests = self.tests().next_multiple_of(2);
            self.near.resize(tests, [0; 16]);
            self.far.resize(tests, Vec::new());
        }
        counts
    }

    /// Takes in a run that took what is usual.
    pub(super) fn add_usual(&mut self) {
        if !self.counts() {
            return self.first.extend_from_slice(&self.usual);
        }
        self.near.iter_mut().for_each(|halves| halves[usize::from(SAME)] += 1);
    }

    /// Takes in a run that was folded against what is usual. Where it is not of so many tests, it says no, and what it has
    /// counted is worth nothing.
    #[must_use]
    pub(super) fn add(&mut self, folded: &[u8]) -> bool {
        if !self.counts() {
            return unfold(&self.usual, folded, &mut self.first);
        }
        let Some((halves, far)) = folded.split_at_checked(self.near.len() / 2) else { return false };
        let (mut test, mut next) = (0, 0);
        while test < self.near.len() {
            let pair = halves[test / 2];
            let (one, other) = (pair >> 4, pair & FAR);
            self.near[test][usize::from(one)] += 1;
            self.near[test + 1][usize::from(other)] += 1;
            if one == FAR || other == FAR {
                for (_, test) in [(one, test), (other, test + 1)].iter().filter(|(half, _)| *half == FAR) {
                    let Some(duration) = far.get(next) else { return false };
                    self.far[*test].push(*duration);
                    next += 1;
                }
            }
            test += 2;
        }
        next == far.len()
    }

    /// Tells what the test at this place took, and in how many runs; a duration may come more than once.
    pub(super) fn each(&self, test: usize, mut tell: impl FnMut(u8, u32)) {
        let mut at = test;
        while at < self.first.len() {
            tell(self.first[at], 1);
            at += self.usual.len();
        }
        if let (Some(near), Some(far)) = (self.near.get(test), self.far.get(test)) {
            for (half, runs) in (0..FAR).zip(near).filter(|(_, runs)| **runs > 0) {
                tell(self.usual[test].wrapping_add(half).wrapping_sub(SAME), (*runs).into());
            }
            for duration in far {
                tell(*duration, 1);
            }
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    /// What a test took in each run, the shortest first.
    fn of(tally: &Tally, test: usize) -> Vec<u8> {
        let mut durations = Vec::new();
        tally.each(test, |duration, runs| durations.extend((0..runs).map(|_| duration)));
        durations.sort_unstable();
        durations
    }

    /// The durations of one run, which is the first one and written out, and then is counted after others.
    fn unfolded(usual: &[u8], folded: &[u8]) -> Option<Vec<u8>> {
        let after = |others: usize| {
            let mut tally = Tally::new(usual.to_vec());
            (0..others).for_each(|_| tally.add_usual());
            let is_whole = tally.add(folded);
            let duration = |test: usize| {
                let mut all = of(&tally, test);
                for _ in 0..others {
                    all.remove(all.iter().position(|one| *one == usual[test]).unwrap());
                }
                assert_eq!(all.len(), 1, "test {test} ran once: {all:?}");
                all[0]
            };
            is_whole.then(|| (0..usual.len()).map(duration).collect::<Vec<u8>>())
        };
        let written_out = after(0);
        assert_eq!(after(WRITTEN_OUT), written_out);
        written_out
    }

    #[test]
    fn every_duration_is_read_back_whatever_it_was_before() {
        for usual in 0..=u8::MAX {
            let all: Vec<u8> = (0..=u8::MAX).collect();
            for length in [256, 255, 1, 0] {
                let (usual, durations) = (vec![usual; length], &all[256 - length..]);
                assert_eq!(unfolded(&usual, &fold(&usual, durations)).as_deref(), Some(durations));
            }
        }
    }

    #[test]
    fn every_run_counts_once_test_by_test_however_many_there_are() {
        let (mut tally, runs) = (Tally::new(vec![100, 50, 2]), 2 * WRITTEN_OUT);
        for _ in 0..runs / 4 {
            tally.add_usual();
            for durations in [[100, 57, 0], [102, 58, 2], [102, 200, 2]] {
                assert!(tally.add(&fold(&[100, 50, 2], &durations)));
            }
        }
        let each = |durations: [u8; 4]| durations.map(|duration| vec![duration; runs / 4]).concat();
        assert_eq!(of(&tally, 0), each([100, 100, 102, 102]));
        assert_eq!(of(&tally, 1), each([50, 57, 58, 200]));
        assert_eq!(of(&tally, 2), each([0, 2, 2, 2]));
    }

    #[test]
    fn what_is_near_takes_half_a_byte_and_what_is_far_one_more() {
        let usual = [100; 4];
        assert_eq!(fold(&usual, &[93, 107, 100, 100]), [0x0e, 0x77]);
        assert_eq!(fold(&usual, &[92, 108, 100, 0]), [0xff, 0x7f, 92, 108, 0]);
        assert_eq!(fold(&usual[..3], &[100, 101, 99]), [0x78, 0x67], "the half that is left over says nothing");
    }

    #[test]
    fn what_is_of_fewer_or_more_tests_is_no_run_of_them() {
        let usual = [100; 4];
        let folded = fold(&usual, &[92, 108, 100, 0]);
        assert_eq!(unfolded(&usual, &folded[..4]), None);
        assert_eq!(unfolded(&usual, &folded[..1]), None);
        assert_eq!(unfolded(&usual, &[&folded[..], &[1]].concat()), None);
    }
}
