//! The history: what was remembered of every run.
//!
//! Immutable records are the truth, each under the digest of what it holds; adding is the only operation, so histories
//! merge as sets and two writers lose nothing. The SQLite index over them is derived: where it is missing, stale or damaged
//! it is made anew. Below the history's directory:
//!
//! | | |
//! |---|---|
//! | `records/<2 digits>/<digest>` | a run each ([`tollgate_model::RunRecord`]), compressed |
//! | `blobs/<2 digits>/<digest>` | what records refer to: names of tests, and whatever was attached |
//! | `index.sqlite` | the index |
//! | `drafts/`, `lock` | what is being written, and who is writing |

mod archive;
mod error;
mod index;
mod objects;
mod packed;

pub use archive::{Imported, Trust};
pub use error::HistoryError;
pub use index::{Index, TypicalDuration};

use camino::{Utf8Path, Utf8PathBuf};
use objects::{Kind, Objects};
use packed::Packed;
use std::{collections::BTreeMap, sync::Arc};
use tollgate_model::{Digest, RunRecord, StageName, TestId, TreeId};

/// The history in a directory.
#[derive(Debug, Clone)]
pub struct History {
    root: Utf8PathBuf,
    objects: Objects,
}

impl History {
    /// Opens the history in a directory, which is made where it is missing, and removes what a killed writer left there.
    ///
    /// # Errors
    /// When the directory can't be made or written.
    pub fn open(directory: &Utf8Path) -> Result<Self, HistoryError> {
        Ok(Self { root: directory.to_owned(), objects: Objects::open(directory)? })
    }

    /// Adds a record, and returns its name. A record that is there already stays.
    ///
    /// What it refers to in [`RunRecord::blobs`] must have been attached before.
    ///
    /// # Errors
    /// When it can't be written, or refers to a blob that is not there.
    pub fn add(&self, record: &RunRecord) -> Result<Digest, HistoryError> {
        if let Some(digest) = record.blobs.values().find(|digest| !self.objects.path(Kind::Blob, digest).is_file()) {
            return Err(HistoryError::Missing { what: "the blob", digest: digest.clone() });
        }
        let (packed, layouts) = Packed::of(record);
        for layout in &layouts {
            self.objects.put(Kind::Blob, layout)?;
        }
        self.objects.put(Kind::Record, &packed.to_bytes())
    }

    /// Stores bytes, compressed, and returns the digest by which a record can refer to them and [`History::read`] finds
    /// them.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn attach(&self, bytes: &[u8]) -> Result<Digest, HistoryError> {
        self.objects.put(Kind::Blob, bytes)
    }

    /// Reads what was attached.
    ///
    /// # Errors
    /// When it is not there, or was altered.
    pub fn read(&self, blob: &Digest) -> Result<Vec<u8>, HistoryError> {
        self.objects.get(Kind::Blob, blob)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When it is not there, was altered, or is of another version.
    pub fn record(&self, name: &Digest) -> Result<RunRecord, HistoryError> {
        self.whole(name, &mut Layouts::default())
    }

    /// Every record with its name, in no particular order. One that is half written or altered is an error that names its
    /// file, and the next one follows.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn records(
        &self,
    ) -> Result<impl Iterator<Item = Result<(Digest, RunRecord), HistoryError>> + '_, HistoryError> {
        let mut layouts = Layouts::default();
        let names = self.objects.list(Kind::Record)?.into_iter().map(|(name, _)| name);
        Ok(names.map(move |name| self.whole(&name, &mut layouts).map(|record| (name, record))))
    }

    /// The newest baseline ([`RunRecord::is_baseline`]) of a stage for the first of these trees that has one.
    ///
    /// # Errors
    /// When the index can't be used.
    pub fn nearest(&self, trees: &[TreeId], stage: &StageName) -> Result<Option<RunRecord>, HistoryError> {
        let index = self.index()?;
        for tree in trees {
            // A record that was removed or altered this very moment is as good as none.
            let found = index.baselines(tree, stage)?.into_iter().find_map(|name| self.record(&name).ok());
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The index, brought up to date with the records.
    ///
    /// # Errors
    /// When the records can't be listed, or the index can't even be made anew.
    pub fn index(&self) -> Result<Index, HistoryError> {
        Index::open(self)
    }

    fn packed(&self, name: &Digest) -> Result<Packed, HistoryError> {
        let bytes = self.objects.get(Kind::Record, name)?;
        Packed::from_bytes(&bytes).map_err(|why| self.foreign(Kind::Record, name, why))
    }

    fn whole(&self, name: &Digest, layouts: &mut Layouts) -> Result<RunRecord, HistoryError> {
        self.unite(name, &self.packed(name)?, layouts)
    }

    /// A record with the tests that its layouts name.
    fn unite(&self, name: &Digest, packed: &Packed, layouts: &mut Layouts) -> Result<RunRecord, HistoryError> {
        let tests: Vec<Arc<[TestId]>> =
            packed.layouts.iter().map(|layout| layouts.get(self, layout)).collect::<Result<_, _>>()?;
        let tests: Vec<&[TestId]> = tests.iter().map(|tests| &**tests).collect();
        packed.unpack(&tests).ok_or_else(|| self.mismatch(name))
    }

    fn mismatch(&self, name: &Digest) -> HistoryError {
        self.foreign(Kind::Record, name, "its durations are not those of its tests".to_owned())
    }

    fn foreign(&self, kind: Kind, name: &Digest, why: String) -> HistoryError {
        HistoryError::Foreign { path: self.objects.path(kind, name), why }
    }
}

/// Layouts that were read: many records share one.
#[derive(Debug, Default)]
struct Layouts(BTreeMap<Digest, Arc<[TestId]>>);

impl Layouts {
    fn get(&mut self, history: &History, name: &Digest) -> Result<Arc<[TestId]>, HistoryError> {
        if let Some(tests) = self.0.get(name) {
            return Ok(Arc::clone(tests));
        }
        let bytes = history.objects.get(Kind::Blob, name)?;
        let tests: Arc<[TestId]> = packed::layout(&bytes).map_err(|why| history.foreign(Kind::Blob, name, why))?.into();
        self.0.insert(name.clone(), Arc::clone(&tests));
        Ok(tests)
    }
}
