//! Files whose name is the digest of what they hold.
//!
//! Invariants: a file that has its name is whole, since it got it by a rename after everything was on the disk; what was altered
//! later is told by its digest. Adding is the only operation, so that writers can't be in each other's way. A draft that
//! exists while nobody holds the lock belongs to a writer that was killed.

use super::HistoryError;
use camino::{Utf8Path, Utf8PathBuf};
use miniz_oxide::{
    deflate::compress_to_vec,
    inflate::{
        TINFLStatus,
        core::{DecompressorOxide, decompress, inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
    },
};
use sha2::{Digest as _, Sha256};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    sync::atomic::{AtomicU64, Ordering},
};
use tollgate_model::Digest;

/// Largest content that is read: nothing that a run leaves comes near, and a made-up file may unfold to anything.
const CONTENT_BYTES_MAX: usize = 256 << 20;

/// Level of compression: higher ones take several times as long for a few percent.
const LEVEL: u8 = 6;

/// A kind of content, which is also the name of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What records refer to.
    Blob,
    /// Run records.
    Record,
}

impl Kind {
    /// Every kind, those that are referred to first.
    pub(super) const ALL: [Self; 2] = [Self::Blob, Self::Record];

    /// Name of the directory, and of the kind in an archive.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Blob => "blobs",
            Self::Record => "records",
        }
    }
}

/// The directories of a history with its files.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    root: Utf8PathBuf,
}

impl Objects {
    /// Opens or makes the directories, and removes drafts of writers that were killed.
    pub(super) fn open(root: &Utf8Path) -> Result<Self, HistoryError> {
        let objects = Self { root: root.to_owned() };
        for directory in [objects.drafts(), root.join(Kind::Blob.as_str()), root.join(Kind::Record.as_str())] {
            fs::create_dir_all(&directory).map_err(|source| HistoryError::Write { path: directory, source })?;
        }
        objects.reap().map_err(|source| HistoryError::Write { path: objects.drafts(), source })?;
        Ok(objects)
    }

    fn drafts(&self) -> Utf8PathBuf {
        self.root.join("drafts")
    }

    /// The file that holds this content.
    pub(super) fn path(&self, kind: Kind, digest: &Digest) -> Utf8PathBuf {
        self.root.join(kind.as_str()).join(&digest.as_str()[..2]).join(digest.as_str())
    }

    /// Removes drafts, unless somebody is writing one.
    fn reap(&self) -> io::Result<()> {
        let drafts = self.drafts();
        if drafts.read_dir_utf8()?.next().is_none() {
            return Ok(());
        }
        let lock = self.lock()?;
        if lock.try_lock().is_err() {
            return Ok(());
        }
        for draft in drafts.read_dir_utf8()? {
            fs::remove_file(draft?.path())?;
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<File> {
        File::options().create(true).append(true).open(self.root.join("lock"))
    }

    /// Hands `write` the path of a draft, and gives the file its name when all of it is on the disk.
    pub(super) fn place(
        &self,
        path: &Utf8Path,
        write: impl FnOnce(&Utf8Path) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed));
        let draft = self.drafts().join(name);
        let fail = |source| HistoryError::Write { path: path.to_owned(), source };
        let lock = self.lock().map_err(fail)?;
        lock.lock_shared().map_err(fail)?;
        let written = write(&draft).and_then(|()| settle(&draft, path).map_err(fail));
        if written.is_err() {
            // It may not have come into being; the error that counts is the first one.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Stores content under its digest. What is there already, and whole, stays as it is.
    pub(super) fn put(&self, kind: Kind, content: &[u8]) -> Result<Digest, HistoryError> {
        let digest = digest(content);
        if self.get(kind, &digest).is_err() {
            let path = self.path(kind, &digest);
            let fail = |source| HistoryError::Write { path: path.clone(), source };
            self.place(&path, |draft| {
                let mut file = File::create_new(draft).map_err(fail)?;
                file.write_all(&compress_to_vec(content, LEVEL)).map_err(fail)
            })?;
        }
        Ok(digest)
    }

    /// Reads content, and checks that it is what its name says.
    pub(super) fn get(&self, kind: Kind, wanted: &Digest) -> Result<Vec<u8>, HistoryError> {
        let path = self.path(kind, wanted);
        let stored = fs::read(&path).map_err(|source| HistoryError::Read { path: path.clone(), source })?;
        unfold(&stored, wanted).map_err(|why| HistoryError::Altered { path, why })
    }

    /// Reads content as it is stored.
    pub(super) fn stored(&self, kind: Kind, digest: &Digest) -> Result<Vec<u8>, HistoryError> {
        let path = self.path(kind, digest);
        fs::read(&path).map_err(|source| HistoryError::Read { path, source })
    }

    /// Every name of a kind, sorted, with the file's size and the time it was last changed, in nanoseconds.
    pub(super) fn list(&self, kind: Kind) -> Result<Vec<(Digest, [i64; 2])>, HistoryError> {
        let directory = self.root.join(kind.as_str());
        let mut found = list(&directory).map_err(|source| HistoryError::Read { path: directory, source })?;
        found.sort();
        Ok(found)
    }
}

/// Files below the directory that have the form of a digest, wherever they stand.
fn list(directory: &Utf8Path) -> io::Result<Vec<(Digest, [i64; 2])>> {
    use std::os::unix::fs::MetadataExt as _;
    let mut found = Vec::new();
    for shelf in directory.read_dir_utf8()? {
        let shelf = shelf?;
        if !shelf.file_type()?.is_dir() {
            continue;
        }
        for file in shelf.path().read_dir_utf8()? {
            let file = file?;
            if let Ok(digest) = Digest::new(file.file_name()) {
                let stat = file.metadata()?;
                let changed = stat.mtime().saturating_mul(1_000_000_000).saturating_add(stat.mtime_nsec());
                found.push((digest, [i64::try_from(stat.size()).unwrap_or(i64::MAX), changed]));
            }
        }
    }
    Ok(found)
}

/// Puts everything of a draft on the disk, then gives it its name.
fn settle(draft: &Utf8Path, path: &Utf8Path) -> io::Result<()> {
    File::open(draft)?.sync_all()?;
    let Some(directory) = path.parent() else { return Err(io::ErrorKind::InvalidFilename.into()) };
    fs::create_dir_all(directory)?;
    fs::rename(draft, path)?;
    File::open(directory)?.sync_all()
}

/// The content of a stored file, if it is the one that is wanted.
pub(super) fn unfold(stored: &[u8], wanted: &Digest) -> Result<Vec<u8>, String> {
    let content = inflate(stored)?;
    let actual = digest(&content);
    if actual == *wanted { Ok(content) } else { Err(format!("its content is that of {actual}")) }
}

/// Decompresses all of a file: what follows the end of its content was not written by [`Objects::put`].
fn inflate(stored: &[u8]) -> Result<Vec<u8>, String> {
    let mut state = Box::<DecompressorOxide>::default();
    let (mut rest, mut content, mut length) = (stored, vec![0; (4 * stored.len()).clamp(64, CONTENT_BYTES_MAX)], 0);
    loop {
        let (status, read, written) =
            decompress(&mut state, rest, &mut content, length, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        rest = &rest[read..];
        length += written;
        match status {
            TINFLStatus::Done if rest.is_empty() => {
                content.truncate(length);
                return Ok(content);
            }
            TINFLStatus::Done => return Err(format!("{} bytes follow its end", rest.len())),
            TINFLStatus::HasMoreOutput if length < CONTENT_BYTES_MAX => {
                content.resize((2 * content.len()).min(CONTENT_BYTES_MAX), 0);
            }
            TINFLStatus::HasMoreOutput => return Err(format!("it unfolds to more than {CONTENT_BYTES_MAX} bytes")),
            TINFLStatus::FailedCannotMakeProgress => return Err("it ends early".to_owned()),
            _ => return Err("it is not compressed data".to_owned()),
        }
    }
}

/// SHA-256.
pub(super) fn digest(content: &[u8]) -> Digest {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        // Writing to a string can't fail.
        let _ = write!(digits, "{byte:02x}");
    }
    Digest::new(digits).expect("SHA-256 has 64 hexadecimal digits")
}

#[cfg(test)]
mod unit {
    use super::*;

    fn stored() -> (Vec<u8>, Digest, Vec<u8>) {
        let content = b"core adds 3 ms, core waits 1000 ms, core adds 3 ms".repeat(3);
        (compress_to_vec(&content, LEVEL), digest(&content), content)
    }

    #[test]
    fn a_file_that_ends_early_or_goes_on_is_refused_at_every_length() {
        let (stored, name, content) = stored();
        assert_eq!(unfold(&stored, &name), Ok(content));
        for end in 0..stored.len() {
            assert_eq!(unfold(&stored[..end], &name), Err("it ends early".to_owned()), "at {end}");
        }
        for more in 0..=u8::MAX {
            let longer = [&stored[..], &[more]].concat();
            assert_eq!(unfold(&longer, &name), Err("1 bytes follow its end".to_owned()));
        }
    }

    #[test]
    fn whichever_bit_flips_nothing_is_read_but_what_the_name_says() {
        let (stored, name, content) = stored();
        let mut refused = 0;
        for bit in 0..8 * stored.len() {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // A few bits say nothing: those after the end of the last block, and which of two equal texts is repeated.
            match unfold(&flipped, &name) {
                Ok(same) => assert_eq!(same, content, "bit {bit}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 7 * stored.len(), "{refused} of {} bits", 8 * stored.len());
    }

    #[test]
    fn a_small_file_that_unfolds_to_anything_is_read_whole() {
        let content = vec![0; 1 << 20];
        assert_eq!(unfold(&compress_to_vec(&content, LEVEL), &digest(&content)), Ok(content));
    }
}
