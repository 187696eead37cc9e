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

/// The most runs that a [`Tally`] counts.
pub(super) const RUNS_MAX: u16 = u16::MAX;

/// Durations of several runs of the same tests, at most [`RUNS_MAX`] of them, counted.
///
/// There are millions of them, and users build this without optimisation: hence a plain loop, and no run is written out.
pub(super) struct Tally {
    usual: Vec<u8>,
    /// By test and half byte, how many runs have it; where the tests are odd in number, a last one that says nothing.
    near: Vec<[u16; 16]>,
    /// By test, the durations that half a byte does not hold.
    far: Vec<Vec<u8>>,
}

impl Tally {
    /// No run yet of tests that usually take this long.
    pub(super) fn new(usual: Vec<u8>) -> Self {
        let tests = usual.len().next_multiple_of(2);
        Self { usual, near: vec![[0; 16]; tests], far: vec![Vec::new(); tests] }
    }

    /// How many tests there are.
    pub(super) fn tests(&self) -> usize {
        self.usual.len()
    }

    /// Takes in a run that took what is usual.
    pub(super) fn add_usual(&mut self) {
        self.near.iter_mut().for_each(|halves| halves[usize::from(SAME)] += 1);
    }

    /// Takes in a run that was folded against what is usual. Where it is not of so many tests, it says no, and what it has
    /// counted is worth nothing.
    #[must_use]
    pub(super) fn add(&mut self, folded: &[u8]) -> bool {
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

    /// What the test at this place took, and in how many runs; a duration may come more than once.
    pub(super) fn of(&self, test: usize) -> impl Iterator<Item = (u8, u32)> {
        let near = (0..FAR).zip(self.near[test]).filter(|(_, runs)| *runs > 0);
        let near = near.map(move |(half, runs)| (self.usual[test].wrapping_add(half).wrapping_sub(SAME), runs.into()));
        near.chain(self.far[test].iter().map(|duration| (*duration, 1)))
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    /// The durations of one run that is the only one.
    fn unfolded(usual: &[u8], folded: &[u8]) -> Option<Vec<u8>> {
        let mut tally = Tally::new(usual.to_vec());
        let is_whole = tally.add(folded);
        let duration = |test| match tally.of(test).collect::<Vec<_>>()[..] {
            [(duration, 1)] => duration,
            ref other => panic!("test {test} ran once: {other:?}"),
        };
        is_whole.then(|| (0..usual.len()).map(duration).collect())
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
    fn runs_are_counted_test_by_test() {
        let mut tally = Tally::new(vec![100, 50, 2]);
        tally.add_usual();
        for durations in [[100, 57, 0], [102, 58, 2], [102, 200, 2]] {
            assert!(tally.add(&fold(&[100, 50, 2], &durations)));
        }
        let of = |test| tally.of(test).collect::<Vec<_>>();
        assert_eq!(of(0), [(100, 2), (102, 2)]);
        assert_eq!(of(1), [(50, 1), (57, 1), (58, 1), (200, 1)]);
        assert_eq!(of(2), [(0, 1), (2, 3)]);
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
