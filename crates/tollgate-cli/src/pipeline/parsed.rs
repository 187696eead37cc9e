//! `target/tollgate/sources.json`: what the last run found in the sources, so that this one parses what changed only.

use super::run::Run;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use std::{fs, os::unix::fs::MetadataExt as _};
use tollgate_core::coverage::KnownSources;

/// The file, and the program that it is for.
pub(super) struct Parsed {
    file: Utf8PathBuf,
    /// Where it is written first: in the run's directory, so that a run that is killed leaves nothing beside the file.
    draft: Utf8PathBuf,
    program: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    program: String,
    sources: KnownSources,
}

impl Parsed {
    pub(super) fn of(run: &Run<'_>) -> Self {
        // The very same file: a program that was built anew may see more in the same text.
        let program = fs::metadata("/proc/self/exe").ok();
        let program =
            program.map(|file| format!("{}-{}-{}.{}", file.ino(), file.size(), file.mtime(), file.mtime_nsec()));
        let file = run.plan.target_directory.join("tollgate/sources.json");
        Self { file, draft: run.directory.file("coverage/sources.json"), program }
    }

    /// Nothing, where it is another program's or can't be read: everything is parsed then.
    pub(super) fn known(&self) -> KnownSources {
        let kept = fs::read(&self.file).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let kept = kept.filter(|kept| self.program.as_ref() == Some(&kept.program));
        kept.map(|kept| kept.sources).unwrap_or_default()
    }

    /// Keeps it for the next run, for which it is only quicker: nothing is said where that fails.
    pub(super) fn remember(&self, sources: KnownSources) {
        let Some(program) = self.program.clone() else { return };
        let text = serde_json::to_vec(&Kept { program, sources }).unwrap_or_default();
        let _ = fs::write(&self.draft, text).and_then(|()| fs::rename(&self.draft, &self.file));
    }
}
