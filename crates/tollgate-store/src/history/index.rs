//! The index: what can be asked of all records without reading them, in SQLite.
//!
//! It says nothing that the records don't say. Each row knows the size and the time of its record's file: where one of them
//! has changed or is gone, where the file is damaged, missing or of another version, the index is made anew beside the old
//! one and put in its place. Records that are new are added to it.

mod delta;
mod summary;
mod typical;

pub use typical::TypicalDuration;

use super::{
    History, HistoryError, Layouts,
    objects::{self, Kind},
    packed::NOT_PASSED,
};
use camino::Utf8PathBuf;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params, types::Type};
use std::{collections::BTreeMap, fs, time::Duration};
use tollgate_model::{Digest, RunRecord, RunSummary, StageName, TestOutcome, TierName, TreeId};

/// Version of the tables; any other is made anew.
const VERSION: i64 = 6;

/// Durations of so many runs of a layout may be the usual ones of another: one for every kind of machine that tests run on.
const USUAL_MAX: u32 = 4;

/// Longest wait for another process that brings the index up to date.
const BUSY_MAX: Duration = Duration::from_secs(30);

/// How much of the index is kept in memory, in KiB: the check reads all of it, and questions then don't read it again.
const CACHE_KIB: i64 = 32 << 10;

/// How often in a row the index is made anew: two writers of the same record give its file its name one after the other, and
/// what was read of it in between is of another time.
const REPLACED_MAX: u32 = 5;

/// Summaries stand apart from what runs are looked up by, in the order of time, so that those of the newest runs are side by side.
/// `usual` are the durations of one run of a layout, with their digest, and `durations` in what those of others differ from them;
/// nothing where they are these.
const TABLES: &str = "
    CREATE TABLE run(
        id INTEGER PRIMARY KEY,
        record TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, changed INTEGER NOT NULL,
        started_ms INTEGER NOT NULL, source TEXT NOT NULL, tree TEXT, stage TEXT NOT NULL, baseline INTEGER NOT NULL, complete INTEGER NOT NULL);
    CREATE INDEX run_started ON run(started_ms, record);
    CREATE INDEX run_source ON run(source, started_ms);
    CREATE INDEX run_tree ON run(tree, stage);
    CREATE TABLE summary(
        started_ms INTEGER NOT NULL, record TEXT NOT NULL, run INTEGER NOT NULL, fields BLOB NOT NULL,
        PRIMARY KEY(started_ms, record)) WITHOUT ROWID;
    CREATE TABLE layout(
        id INTEGER PRIMARY KEY,
        tier TEXT NOT NULL, name TEXT NOT NULL, usual BLOB NOT NULL, sum TEXT NOT NULL);
    CREATE INDEX layout_name ON layout(tier, name);
    CREATE TABLE pack(
        run INTEGER NOT NULL, layout INTEGER NOT NULL, durations BLOB NOT NULL,
        PRIMARY KEY(run, layout)) WITHOUT ROWID;
";

/// What can be asked of all records.
#[derive(Debug)]
pub struct Index {
    history: History,
    connection: Connection,
    skipped: Vec<HistoryError>,
}

/// Why an index can't be used as it is.
enum Unfit {
    /// It says something that the records no longer say, or is of another version.
    Stale,
    /// SQLite failed, which a damaged file does.
    Sqlite(rusqlite::Error),
    /// The records can't be listed.
    Records(HistoryError),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<HistoryError> for Unfit {
    fn from(error: HistoryError) -> Self {
        Self::Records(error)
    }
}

impl Index {
    pub(super) fn open(history: &History) -> Result<Self, HistoryError> {
        let path = path(history);
        let fail = |source| HistoryError::Index { path: path.clone(), source };
        for left in (0..=REPLACED_MAX).rev() {
            match Self::current(history) {
                Ok(index) => return Ok(index),
                Err(Unfit::Records(error)) => return Err(error),
                // Another process has it; taking it away would not make it better.
                Err(Unfit::Sqlite(error))
                    if left == 0 || error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) =>
                {
                    return Err(fail(error));
                }
                Err(Unfit::Stale) if left == 0 => break,
                Err(Unfit::Stale | Unfit::Sqlite(_)) => replace(history)?,
            }
        }
        Err(fail(rusqlite::Error::QueryReturnedNoRows))
    }

    /// Opens the index that is there and adds what it lacks.
    fn current(history: &History) -> Result<Self, Unfit> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path(history), flags)?;
        connection.busy_timeout(BUSY_MAX)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let state: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if version != VERSION || state != "ok" {
            return Err(Unfit::Stale);
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let skipped = add_missing(history, &transaction)?;
        transaction.commit()?;
        Ok(Self { history: history.clone(), connection, skipped })
    }

    /// Records that can't be read and are left out, each with its file and the reason.
    pub fn skipped(&self) -> &[HistoryError] {
        &self.skipped
    }

    /// The newest runs, at most so many, oldest first.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn runs(&self, last: u32) -> Result<Vec<RunSummary>, HistoryError> {
        self.summaries("SELECT record, fields FROM summary ORDER BY started_ms DESC, record DESC LIMIT ?1", last)
    }

    /// The newest runs of every source, at most so many of each, oldest first: however many runs forks bring, they take none
    /// of the main branch's away.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn runs_of_each_source(&self, last: u32) -> Result<Vec<RunSummary>, HistoryError> {
        let sql = "SELECT record, fields FROM summary WHERE run IN (SELECT id FROM (SELECT id,
                   ROW_NUMBER() OVER (PARTITION BY source ORDER BY started_ms DESC, record DESC) AS nth FROM run)
                   WHERE nth <= ?1) ORDER BY started_ms DESC, record DESC";
        self.summaries(sql, last)
    }

    fn summaries(&self, sql: &str, last: u32) -> Result<Vec<RunSummary>, HistoryError> {
        let read = || -> rusqlite::Result<Vec<RunSummary>> {
            let (mut statement, mut runs) = (self.connection.prepare(sql)?, Vec::new());
            let mut rows = statement.query(params![last])?;
            while let Some(row) = rows.next()? {
                let foreign = |column, error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error);
                let record = Digest::new(row.get::<_, String>(0)?).map_err(|error| foreign(0, error.into()))?;
                let summary = summary::from_row(record, row.get_ref(1)?.as_blob()?);
                runs.push(summary.map_err(|error| foreign(1, error))?);
            }
            runs.reverse();
            Ok(runs)
        };
        read().map_err(|source| self.failed(source))
    }

    /// Names of the records of a tree that may be baselines of a stage, newest first.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn baselines(&self, tree: &TreeId, stage: &StageName) -> Result<Vec<Digest>, HistoryError> {
        let sql = "SELECT record FROM run WHERE tree = ?1 AND stage = ?2 AND baseline ORDER BY started_ms DESC, record";
        let names: Vec<String> = self.column(sql, params![tree.as_str(), stage.as_str()])?;
        Ok(names.into_iter().filter_map(|name| Digest::new(name).ok()).collect())
    }

    /// Names of the records of a tree that may be baselines: of each stage the newest one.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn baselines_of_stages(&self, tree: &TreeId) -> Result<Vec<Digest>, HistoryError> {
        // Beside MAX, SQLite gives the columns of the row that has it.
        let sql = "SELECT record, MAX(started_ms) FROM run WHERE tree = ?1 AND baseline GROUP BY stage";
        let names: Vec<String> = self.column(sql, params![tree.as_str()])?;
        Ok(names.into_iter().filter_map(|name| Digest::new(name).ok()).collect())
    }

    fn column<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<T>, HistoryError> {
        let read = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare(sql)?.query_map(params, |row| row.get(0))?.collect()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Makes it one of another version, which is made anew when it is opened next.
    fn outdate(&self) {
        // What can't be written here can't be written anew either, and the caller tells of an error as it is.
        let _ = self.connection.pragma_update(None, "user_version", 0);
    }

    fn failed(&self, source: rusqlite::Error) -> HistoryError {
        if source.sqlite_error_code().is_none() {
            // SQLite takes the damaged row for whole.
            self.outdate();
        }
        HistoryError::Index { path: path(&self.history), source }
    }
}

fn path(history: &History) -> Utf8PathBuf {
    history.root.join("index.sqlite")
}

/// Makes the index anew from the records.
fn replace(history: &History) -> Result<(), HistoryError> {
    let path = path(history);
    let unfit = |unfit| match unfit {
        Unfit::Records(error) => error,
        Unfit::Sqlite(source) => HistoryError::Index { path: path.clone(), source },
        Unfit::Stale => HistoryError::Index { path: path.clone(), source: rusqlite::Error::QueryReturnedNoRows },
    };
    history.objects.place(&path, |draft| {
        build(history, draft).map_err(unfit)?;
        // A journal that a killed process left belongs to the old file; SQLite would play it back into the new one.
        match fs::remove_file(format!("{path}-journal")) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(HistoryError::Write { path: path.clone(), source })
            }
            _ => Ok(()),
        }
    })
}

/// Writes an index of all records. Nobody sees it before it is whole, so that it needs no journal.
fn build(history: &History, draft: &camino::Utf8Path) -> Result<(), Unfit> {
    let mut connection = Connection::open(draft)?;
    // In large pages the durations of a run stand as a whole, and what is asked for is in few of them.
    connection.execute_batch("PRAGMA page_size = 65536; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    add_missing(history, &transaction)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// Adds every record that the index lacks; those that can't be read are returned.
fn add_missing(history: &History, index: &Transaction<'_>) -> Result<Vec<HistoryError>, Unfit> {
    let on_disk: BTreeMap<Digest, [i64; 2]> = history.objects.list(Kind::Record)?.into_iter().collect();
    let mut missing = on_disk.clone();
    let mut known = index.prepare("SELECT record, size, changed FROM run")?;
    let mut rows = known.query([])?;
    while let Some(row) = rows.next()? {
        let name = Digest::new(row.get::<_, String>(0)?).map_err(|_| Unfit::Stale)?;
        if on_disk.get(&name) != Some(&[row.get(1)?, row.get(2)?]) {
            return Err(Unfit::Stale);
        }
        missing.remove(&name);
    }
    let (mut layouts, mut skipped) = (Layouts::default(), Vec::new());
    for (name, stat) in missing {
        match Row::read(history, &name, &mut layouts) {
            Ok(row) => row.insert(index, &name, stat)?,
            Err(error) => skipped.push(error),
        }
    }
    Ok(skipped)
}

/// What the index keeps of a record.
struct Row {
    record: RunRecord,
    tests: u64,
    /// Layout and durations of each tier.
    packs: Vec<(Digest, Vec<u8>)>,
}

impl Row {
    fn read(history: &History, name: &Digest, layouts: &mut Layouts) -> Result<Self, HistoryError> {
        let packed = history.packed(name)?;
        let lengths: Vec<usize> = packed
            .layouts
            .iter()
            .map(|layout| layouts.get(history, layout).map(|tests| tests.len()))
            .collect::<Result<_, _>>()?;
        let tiers = packed.cut(&lengths).ok_or_else(|| history.mismatch(name))?;
        let passed = packed.durations.iter().filter(|byte| **byte != NOT_PASSED).count() as u64;
        let tests = passed + packed.record.count(TestOutcome::Failed);
        let packs = packed.layouts.iter().cloned().zip(tiers.into_iter().map(<[u8]>::to_vec)).collect();
        Ok(Self { record: packed.record, tests, packs })
    }

    fn insert(self, index: &Transaction<'_>, name: &Digest, [size, changed]: [i64; 2]) -> rusqlite::Result<()> {
        let Self { record, tests, packs } = self;
        let summary = record.summary(None, tests);
        index
            .prepare(
                "INSERT INTO run(record, size, changed, started_ms, source, tree, stage, baseline, complete)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                name.as_str(),
                size,
                changed,
                summary.started_at.as_millisecond(),
                summary.source.as_str(),
                summary.tree.as_ref().map(TreeId::as_str),
                summary.stage.as_str(),
                record.is_baseline(),
                summary.complete,
            ])?;
        let run = index.last_insert_rowid();
        index
            .prepare("INSERT INTO summary(started_ms, record, run, fields) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![summary.started_at.as_millisecond(), name.as_str(), run, summary::to_row(&summary)])?;
        let mut insert = index.prepare("INSERT INTO pack(run, layout, durations) VALUES (?1, ?2, ?3)")?;
        for (tier, (layout, durations)) in record.tiers.iter().zip(packs) {
            let (layout, folded) = folded(index, &tier.name, &layout, &durations)?;
            insert.execute(params![run, layout, folded])?;
        }
        Ok(())
    }
}

/// Durations as the index has them: the row of their layout, and in what they differ from the usual ones there. Where that says
/// little less than they do, as on a machine of another speed, they are the usual ones of a row of their own.
fn folded(
    index: &Transaction<'_>,
    tier: &TierName,
    layout: &Digest,
    durations: &[u8],
) -> rusqlite::Result<(i64, Vec<u8>)> {
    let mut statement =
        index.prepare("SELECT id, usual FROM layout WHERE tier = ?1 AND name = ?2 ORDER BY id DESC LIMIT ?3")?;
    let usual = statement.query_map(params![tier.as_str(), layout.as_str(), USUAL_MAX], |row| {
        Ok((row.get(0)?, delta::fold(row.get_ref(1)?.as_blob()?, durations)))
    })?;
    let folded = usual.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().min_by_key(|(_, folded)| folded.len());
    if let Some(folded) = folded.filter(|(_, folded)| folded.len() <= (3 * durations.len()).div_ceil(4)) {
        return Ok(folded);
    }
    index.prepare("INSERT INTO layout(tier, name, usual, sum) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        tier.as_str(),
        layout.as_str(),
        durations,
        objects::digest(durations).as_str(),
    ])?;
    Ok((index.last_insert_rowid(), Vec::new()))
}
