//! What tests usually take: medians over the durations of the newest runs.

use super::{
    Index,
    delta::{RUNS_MAX, Tally},
};
use crate::history::{
    HistoryError, Layouts, objects,
    packed::{self, NOT_PASSED},
};
use rusqlite::{params, types::Type};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};
use tollgate_model::{Digest, Milliseconds, Source, TestId, TierName};

/// What a test usually takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypicalDuration {
    /// Its tier.
    pub tier: TierName,
    /// The test.
    pub id: TestId,
    /// In how many of the runs that were looked at it passed.
    pub runs: u64,
    /// The median, in steps of 6 %.
    pub median_ms: Milliseconds,
}

impl Index {
    /// What each test took in the last complete runs, at most so many and 65,535, by tier and test. Only passes count.
    ///
    /// # Errors
    /// When the index or a layout can't be read.
    pub fn typical(&self, last: u32) -> Result<Vec<TypicalDuration>, HistoryError> {
        self.typical_of(last, &Source::ALL)
    }

    /// As [`Index::typical`], of runs of these sources alone.
    ///
    /// # Errors
    /// When the index or a layout can't be read.
    pub fn typical_of(&self, last: u32, sources: &[Source]) -> Result<Vec<TypicalDuration>, HistoryError> {
        let mut typical = Vec::new();
        for (tier, packs) in self.packs(last, sources)? {
            let Ok(tier) = TierName::new(tier) else { continue };
            // All layouts are in the order of their tests, so that the next one is the first of what is left of them.
            let mut at = vec![0; packs.len()];
            while let Some(id) = packs.iter().zip(&at).filter_map(|(pack, at)| pack.tests.get(*at)).min() {
                let mut counts = Counts::default();
                for (pack, at) in packs.iter().zip(&mut at).filter(|(pack, at)| pack.tests.get(**at) == Some(id)) {
                    pack.tallies.iter().for_each(|tally| counts.add(tally, *at));
                    *at += 1;
                }
                if let Some((median, runs)) = counts.median() {
                    let (tier, id, median_ms) = (tier.clone(), id.clone(), packed::duration_ms(median));
                    typical.push(TypicalDuration { tier, id, runs, median_ms });
                }
            }
        }
        Ok(typical)
    }

    /// By tier, the durations of each layout.
    fn packs(&self, last: u32, sources: &[Source]) -> Result<BTreeMap<String, Vec<Pack>>, HistoryError> {
        // Words of this program alone, which need no quoting.
        let sources: Vec<String> = sources.iter().map(|source| format!("'{}'", source.as_str())).collect();
        let sql = format!(
            "SELECT layout, durations FROM pack WHERE run IN
             (SELECT id FROM run WHERE complete AND source IN ({}) ORDER BY started_ms DESC, record DESC LIMIT ?1)",
            sources.join(", ")
        );
        let mut packs: BTreeMap<i64, StoredPack> = BTreeMap::new();
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&sql)?;
            let mut rows = statement.query(params![last.min(RUNS_MAX.into())])?;
            while let Some(row) = rows.next()? {
                let layout: i64 = row.get(0)?;
                let pack = match packs.entry(layout) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(self.pack(layout)?),
                };
                pack.add(row.get_ref(1)?.as_blob()?)?;
            }
            Ok(())
        };
        read().map_err(|source| self.failed(source))?;
        let (mut layouts, mut united) = (Layouts::default(), BTreeMap::<String, Vec<Pack>>::new());
        for StoredPack { tier, layout, tally } in packs.into_values() {
            let tests = layouts.get(&self.history, &layout).inspect_err(|_| self.outdate())?;
            if tests.len() != tally.tests() {
                return Err(self.failed(damaged("durations of another number of tests")));
            }
            // A median has no order: all durations of the same tests are looked at as one.
            let of_tier = united.entry(tier).or_default();
            match of_tier.iter_mut().find(|pack| Arc::ptr_eq(&pack.tests, &tests)) {
                Some(pack) => pack.tallies.push(tally),
                None => of_tier.push(Pack { tests, tallies: vec![tally] }),
            }
        }
        Ok(united)
    }

    /// A layout without a run of it.
    fn pack(&self, layout: i64) -> rusqlite::Result<StoredPack> {
        let mut statement = self.connection.prepare("SELECT tier, name, usual, sum FROM layout WHERE id = ?1")?;
        statement.query_row(params![layout], |row| {
            let (tier, name, usual, sum): (_, String, Vec<u8>, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            if sum != objects::digest(&usual).as_str() {
                return Err(damaged("durations that are not those that were written"));
            }
            let layout = Digest::new(name).map_err(|_| damaged("a name that is no digest"))?;
            Ok(StoredPack { tier, layout, tally: Tally::new(usual) })
        })
    }
}

/// Durations of a layout whose tests were not read yet.
struct StoredPack {
    tier: String,
    layout: Digest,
    tally: Tally,
}

impl StoredPack {
    /// Takes in a run, which is of so many tests unless it was damaged.
    fn add(&mut self, durations: &[u8]) -> rusqlite::Result<()> {
        if durations.is_empty() {
            self.tally.add_usual();
            return Ok(());
        }
        if self.tally.add(durations) { Ok(()) } else { Err(damaged("differences of another number of tests")) }
    }
}

/// The error of a row that SQLite takes for whole.
fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, what.into())
}

/// What the tests of a layout took in several runs; those of a machine of another speed are counted by themselves.
struct Pack {
    tests: Arc<[TestId]>,
    tallies: Vec<Tally>,
}

/// Durations of a test, counted by their byte.
struct Counts {
    of: [u32; 256],
    passes: u64,
    /// The shortest; that of a test that did not pass is none.
    shortest: u8,
}

impl Default for Counts {
    fn default() -> Self {
        Self { of: [0; 256], passes: 0, shortest: u8::MAX }
    }
}

impl Counts {
    /// Takes in what the test at this place of the layout took.
    fn add(&mut self, tally: &Tally, test: usize) {
        tally.each(test, |duration, runs| {
            if duration != NOT_PASSED {
                self.of[usize::from(duration)] += runs;
                self.passes += u64::from(runs);
                self.shortest = self.shortest.min(duration);
            }
        });
    }

    /// The upper median of the passes, and how many there are; none of none.
    fn median(&self) -> Option<(u8, u64)> {
        let (mut byte, mut so_far) = (self.shortest, u64::from(self.of[usize::from(self.shortest)]));
        while so_far <= self.passes / 2 && byte < u8::MAX {
            byte += 1;
            so_far += u64::from(self.of[usize::from(byte)]);
        }
        (self.passes > 0).then_some((byte, self.passes))
    }
}
