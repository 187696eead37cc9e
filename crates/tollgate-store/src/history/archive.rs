//! Archives: a history as one file, to be carried to another machine and merged there.
//!
//! An archive is a line `tollgate history 1`, then for every file a line `<directory> <digest> <bytes>` and the file as it is
//! stored, blobs first, and at the end a line `end`. A record never comes before what it refers to.

use super::{
    History, HistoryError, Layouts,
    objects::{Kind, digest, unfold},
    packed::Packed,
};
use camino::Utf8Path;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read as _, Write},
};
use tollgate_model::{Digest, Source, count};

const TITLE: &str = "tollgate history 1";
const END: &str = "end";

/// Largest stored file that an archive may hold.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What the records of an archive may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// What they say of their source holds.
    AsStated,
    /// Whoever made the archive could have forged it: every record is marked as that of a fork.
    Fork,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    /// Records that were not there before.
    pub new: u64,
    /// Records that were.
    pub known: u64,
    /// What was left out, and why.
    pub skipped: Vec<String>,
}

impl History {
    /// Writes everything into a file, whole or not at all, and returns how many records that are. What is damaged is left
    /// out and named.
    ///
    /// # Errors
    /// When the history can't be read or the file can't be written.
    pub fn export(&self, file: &Utf8Path) -> Result<(u64, Vec<HistoryError>), HistoryError> {
        let fail = |source| HistoryError::Write { path: file.to_owned(), source };
        let draft = Utf8Path::new(file).with_file_name(format!(
            "{}.{}.draft",
            file.file_name().unwrap_or("history"),
            std::process::id()
        ));
        let written = File::create_new(&draft).map_err(fail).and_then(|out| {
            let mut out = BufWriter::new(out);
            let done = self.write_archive(&mut out, fail)?;
            out.into_inner().map_err(|error| fail(error.into_error()))?.sync_all().map_err(fail)?;
            std::fs::rename(&draft, file).map_err(fail)?;
            Ok(done)
        });
        if written.is_err() {
            // The error that counts is the first one.
            let _ = std::fs::remove_file(&draft);
        }
        written
    }

    fn write_archive(
        &self,
        out: &mut impl Write,
        fail: impl Fn(io::Error) -> HistoryError,
    ) -> Result<(u64, Vec<HistoryError>), HistoryError> {
        let (mut records, mut skipped) = (0, Vec::new());
        writeln!(out, "{TITLE}").map_err(&fail)?;
        for kind in Kind::ALL {
            for (name, _) in self.objects.list(kind)? {
                let stored = match self.objects.get(kind, &name).and_then(|_| self.objects.stored(kind, &name)) {
                    Ok(stored) => stored,
                    Err(error) => {
                        skipped.push(error);
                        continue;
                    }
                };
                writeln!(out, "{} {name} {}", kind.as_str(), stored.len()).map_err(&fail)?;
                out.write_all(&stored).map_err(&fail)?;
                records += u64::from(kind == Kind::Record);
            }
        }
        writeln!(out, "{END}").map_err(&fail)?;
        Ok((records, skipped))
    }

    /// Merges an archive into this history. What was read before a damage is kept: every file of it is whole by itself.
    ///
    /// # Errors
    /// When the file is no archive or ends early, or the history can't be written.
    pub fn import(&self, file: &Utf8Path, trust: Trust) -> Result<Imported, HistoryError> {
        let open = File::open(file).map_err(|source| HistoryError::Read { path: file.to_owned(), source })?;
        let mut archive = BufReader::new(open);
        let (mut imported, mut layouts) = (Imported::default(), Layouts::default());
        if line(&mut archive)?.as_deref() != Some(TITLE) {
            return Err(damaged(format!("{file} does not begin with `{TITLE}`")));
        }
        loop {
            let head = line(&mut archive)?
                .ok_or_else(|| damaged(format!("{file} ends early, after {}", count(imported.new, "new record"))))?;
            if head == END {
                return Ok(imported);
            }
            let (kind, name, length) =
                entry(&head).ok_or_else(|| damaged(format!("`{head}` is not the head of a file")))?;
            let mut stored = Vec::new();
            let read = archive.by_ref().take(length).read_to_end(&mut stored);
            if read.map_err(|error| damaged(error.to_string()))? as u64 != length {
                return Err(damaged(format!("{file} ends within {} {name}", kind.as_str())));
            }
            match unfold(&stored, &name) {
                Err(why) => imported.skipped.push(format!("{} {name}: {why}", kind.as_str())),
                Ok(content) if kind == Kind::Blob => drop(self.objects.put(kind, &content)?),
                Ok(content) => self.take_record(&name, &content, trust, &mut layouts, &mut imported)?,
            }
        }
    }

    /// Stores a record that can be read with everything it refers to.
    fn take_record(
        &self,
        name: &Digest,
        content: &[u8],
        trust: Trust,
        layouts: &mut Layouts,
        imported: &mut Imported,
    ) -> Result<(), HistoryError> {
        let foreign = |why| self.foreign(Kind::Record, name, why);
        let read = Packed::from_bytes(content).map_err(foreign);
        let mut packed = match read.and_then(|packed| Ok((self.unite(name, &packed, layouts)?, packed))) {
            Ok((_, packed)) => packed,
            Err(error) => {
                imported.skipped.push(error.to_string());
                return Ok(());
            }
        };
        if trust == Trust::Fork {
            packed.record.source = Source::Fork;
        }
        let content = packed.to_bytes();
        let known = self.objects.get(Kind::Record, &digest(&content)).is_ok();
        self.objects.put(Kind::Record, &content)?;
        *(if known { &mut imported.known } else { &mut imported.new }) += 1;
        Ok(())
    }
}

/// The next line without its end; none at the end of the file.
fn line(archive: &mut impl BufRead) -> Result<Option<String>, HistoryError> {
    /// Longest line that an archive can have.
    const LINE_BYTES_MAX: u64 = 200;
    let mut line = Vec::new();
    archive.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(|error| damaged(error.to_string()))?;
    match line.pop() {
        Some(b'\n') => String::from_utf8(line).map(Some).map_err(|_| damaged("a line of it is not text".to_owned())),
        _ => Ok(None),
    }
}

fn entry(head: &str) -> Option<(Kind, Digest, u64)> {
    let mut words = head.split(' ');
    let kind = words.next()?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    let digest = Digest::new(words.next()?).ok()?;
    let length = words.next()?.parse().ok().filter(|length| *length <= FILE_BYTES_MAX)?;
    words.next().is_none().then_some((kind, digest, length))
}

fn damaged(why: String) -> HistoryError {
    HistoryError::Archive { why }
}
