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

/// Appends to `durations` what was folded against `usual`; leaves it as it was and says no where it is not of so many tests.
///
/// There are millions of them, and users build this without optimisation: hence plain loops.
pub(super) fn unfold(usual: &[u8], folded: &[u8], durations: &mut Vec<u8>) -> bool {
    let before = durations.len();
    let Some((halves, far)) = folded.split_at_checked(usual.len().div_ceil(2)) else { return false };
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
    let whole = next == far.len();
    if !whole {
        durations.truncate(before);
    }
    whole
}

#[cfg(test)]
mod unit {
    use super::*;

    fn unfolded(usual: &[u8], folded: &[u8]) -> Option<Vec<u8>> {
        let mut durations = vec![9];
        let whole = unfold(usual, folded, &mut durations);
        assert!(whole || durations == [9], "what is no run leaves nothing");
        whole.then(|| durations.split_off(1))
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
