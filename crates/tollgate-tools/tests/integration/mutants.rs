//! The copy of the workspace that mutants are tried in.

use crate::sample::Sample;
use std::{collections::BTreeMap, fs};
use tollgate_tools::{ToolError, mutants::Scratch};

/// Why work on the copy failed.
struct Failed(String);

impl From<ToolError> for Failed {
    fn from(error: ToolError) -> Self {
        Self(error.to_string())
    }
}

#[test]
fn files_of_the_copy_are_what_they_were_after_work_that_fails_and_after_one_that_cant_be_written_back() {
    let sample = Sample::new();
    let (directory, target) = (sample.out.join("mutants"), sample.root.join("target"));
    let scratch = Scratch::prepare(&sample.toolbox, &directory, &target, &[], &mut || ()).expect("a copy");
    let root = scratch.toolbox.root.clone();
    let read = |file: &str| fs::read_to_string(root.join(file)).expect("a file");
    let files = ["greeter/src/lib.rs", "server/src/main.rs"];
    let before = files.map(read);
    let texts: BTreeMap<String, String> = files.map(|file| (file.to_owned(), format!("// {file}"))).into();

    let failed = scratch.with_texts(&texts, |_| {
        assert_eq!(files.map(read), files.map(|file| format!("// {file}")));
        Err::<(), _>(Failed("the work fails".to_owned()))
    });
    assert!(failed.is_err_and(|error| error.0 == "the work fails"));
    assert_eq!(files.map(read), before);

    // Nothing can be written where a directory is.
    let first = root.join(files[0]);
    let unwritable = scratch.with_texts(&texts, |_| {
        fs::remove_file(&first).and_then(|()| fs::create_dir(&first)).expect("it is replaced");
        Ok::<(), Failed>(())
    });
    assert!(unwritable.is_err_and(|error| error.0.contains(files[0])));
    assert_eq!(read(files[1]), before[1]);
}
