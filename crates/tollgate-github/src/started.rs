//! The marks that jobs of a matrix make when they start: artifacts whose names say it.

/// What the name of a mark ends with.
pub(crate) const STARTED: &str = "-started";

/// Which shard, from 1, started in which attempt, by the name of an artifact such as `receipt-3-attempt-2-started`; GitHub
/// counts the jobs of a matrix from 0. None where it is no mark.
pub fn started(artifact: &str) -> Option<(u32, u32)> {
    let (job, attempt) = artifact.strip_suffix(STARTED)?.rsplit_once("-attempt-")?;
    let (_, index) = job.rsplit_once('-')?;
    Some((index.parse::<u32>().ok()?.checked_add(1)?, attempt.parse().ok()?))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_mark_says_which_shard_started_in_which_attempt() {
        assert_eq!(started("receipt-3-attempt-2-started"), Some((4, 2)));
        assert_eq!(started("mutants-0-attempt-11-started"), Some((1, 11)));
        let other = ["receipt-3-attempt-2", "3-attempt-2-started", "receipt-x-attempt-2-started", "-started", ""];
        assert!(other.iter().all(|name| started(name).is_none()));
        assert_eq!(started("receipt-4294967295-attempt-1-started"), None);
    }
}
