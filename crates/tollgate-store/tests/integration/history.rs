//! Records: read back as they were, named where they are damaged, merged as sets.

use crate::sample::{history, record, stage, tree};
use camino::Utf8Path;
use std::{fs, process::Command};
use tollgate_model::{Digest, RunRecord, Source};
use tollgate_store::{
    History, HistoryError,
    history::{Imported, Trust},
};

/// The file of a record.
fn file(root: &Utf8Path, name: &Digest) -> camino::Utf8PathBuf {
    root.join("records").join(&name.as_str()[..2]).join(name.as_str())
}

/// Names of the runs that can be read, sorted, and what is said about the rest.
fn read(history: &History) -> (Vec<String>, Vec<String>) {
    let (mut runs, mut errors) = (Vec::new(), Vec::new());
    for entry in history.records().expect("a list") {
        match entry {
            Ok((_, record)) => runs.push(record.run.to_string()),
            Err(error) => errors.push(error.to_string()),
        }
    }
    runs.sort();
    (runs, errors)
}

#[test]
fn a_record_is_read_back_as_it_was_with_durations_in_steps() {
    let (_guard, _, history) = history();
    let mut record = record(1);
    let name = history.add(&record).expect("added");
    // 1000 ms and 2500 ms are no steps of 6 %.
    record.tiers[0].tests[4].duration_ms = 1_026;
    record.tiers[1].tests[0].duration_ms = 2_459;
    assert_eq!(history.record(&name).expect("read"), record);
    assert_eq!(history.add(&record).expect("added again"), name, "what is read back is the same record");
    assert_eq!(read(&history), (vec!["run-1".to_owned()], Vec::new()));
}

#[test]
fn what_is_attached_is_found_by_its_digest_and_a_record_refers_only_to_what_is_there() {
    let (_guard, root, history) = history();
    let lines = "src/lib.rs 1-40\n".repeat(1000);
    let digest = history.attach(lines.as_bytes()).expect("attached");
    assert_eq!(history.read(&digest).expect("read"), lines.as_bytes());
    let stored = root.join("blobs").join(&digest.as_str()[..2]).join(digest.as_str());
    assert!(fs::metadata(&stored).expect("a file").len() < 200, "it is compressed");

    let mut record = record(1);
    record.blobs.insert("lines".into(), digest.clone());
    let name = history.add(&record).expect("added");
    assert_eq!(history.record(&name).expect("read").blobs["lines"], digest);
    fs::remove_file(&stored).expect("removed");
    assert!(matches!(history.read(&digest), Err(HistoryError::Read { .. })));
    let error = history.add(&record).unwrap_err().to_string();
    assert_eq!(error, format!("the blob {digest} is not in the history"));
}

#[test]
fn a_half_written_and_an_altered_record_are_named_and_the_others_are_read() {
    let (_guard, root, history) = history();
    let names: Vec<Digest> = (1..=4).map(|number| history.add(&record(number)).expect("added")).collect();
    let half = fs::read(file(&root, &names[1])).expect("bytes");
    fs::write(file(&root, &names[1]), &half[..half.len() / 2]).expect("halved");
    fs::copy(file(&root, &names[0]), file(&root, &names[2])).expect("another one in its place");
    fs::write(root.join("records/README"), "no record, and none by its name").expect("a file");

    let (runs, errors) = read(&history);
    assert_eq!(runs, ["run-1", "run-4"]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    for (name, error) in names[1..3]
        .iter()
        .zip(names[1..3].iter().map(|name| errors.iter().find(|error| error.contains(name.as_str())).expect("named")))
    {
        let place = file(&root, name);
        assert!(error.starts_with(&format!("{place} was altered or is half written: ")), "{error}");
    }
    // Adding the same record again mends it.
    history.add(&record(2)).expect("added");
    assert_eq!(read(&history).0, ["run-1", "run-2", "run-4"]);
}

#[test]
fn whatever_was_done_to_a_record_it_is_named_and_skipped_by_reader_and_index() {
    let (_guard, root, history) = history();
    history.add(&record(1)).expect("added");
    let place = file(&root, &history.add(&record(2)).expect("added"));
    let whole = fs::read(&place).expect("bytes");
    let middle = whole.len() / 2;
    let mut flipped = whole.clone();
    flipped[middle] ^= 1;
    let damages = [
        ("1 bytes follow its end", [&whole[..], b"\n"].concat()),
        ("bytes follow its end", whole.repeat(2)),
        ("it ends early", whole[..middle].to_vec()),
        ("it ends early", Vec::new()),
        ("was altered or is half written", flipped),
    ];
    for (why, damaged) in damages {
        fs::write(&place, damaged).expect("damaged");
        named(&history, &place, why);
    }
    fs::remove_file(&place).expect("removed");
    fs::create_dir(&place).expect("a directory in its place");
    named(&history, &place, "can't read");
    fs::remove_dir(&place).expect("removed");
    fs::write(&place, whole).expect("as it was");
    assert_eq!(read(&history), (vec!["run-1".to_owned(), "run-2".to_owned()], Vec::new()));
}

/// Of two records the second one, at this place, is named with the reason; the first one is read, and found in the index.
fn named(history: &History, place: &Utf8Path, why: &str) {
    let (runs, errors) = read(history);
    assert_eq!(runs, ["run-1"]);
    let index = history.index().expect("an index");
    assert_eq!(index.runs(9).expect("runs").len(), 1);
    let skipped: Vec<String> = index.skipped().iter().map(ToString::to_string).collect();
    assert_eq!(skipped, errors);
    assert!(errors.len() == 1 && errors[0].contains(place.as_str()) && errors[0].contains(why), "{why}: {errors:?}");
}

#[test]
fn a_record_of_another_schema_and_one_without_its_names_are_no_baselines_and_are_named() {
    let (_guard, root, history) = history();
    let foreign = history.add(&RunRecord { schema: 99, ..record(1) }).expect("added");
    let (runs, errors) = read(&history);
    assert_eq!(runs, [""; 0]);
    assert_eq!(
        errors,
        [format!("{} is no record of this version: its schema is 99, and this version reads 1", file(&root, &foreign))]
    );
    fs::remove_dir_all(root.join("blobs")).expect("removed");
    let history = History::open(&root).expect("opened");
    history.add(&record(2)).expect("added");
    assert_eq!(read(&history).0, ["run-2"]);
    fs::remove_dir_all(root.join("blobs")).expect("removed");
    assert_eq!(read(&history).0, [""; 0]);
    assert_eq!(history.nearest(&[tree('a')], &stage()).expect("asked"), None);
}

/// Imports and gives the counts.
fn counts(imported: &Imported) -> (u64, u64, usize) {
    (imported.new, imported.known, imported.skipped.len())
}

#[test]
fn histories_merge_as_sets_and_an_archive_of_strangers_is_marked() {
    let (_guard, root, ours) = history();
    let (_other_guard, _, theirs) = history();
    let mut with_blob = record(3);
    with_blob.blobs.insert("lines".into(), theirs.attach(b"1-40").expect("attached"));
    for number in [1, 2] {
        ours.add(&record(number)).expect("added");
    }
    for record in [record(2), with_blob] {
        theirs.add(&record).expect("added");
    }
    let archive = root.join("archive.tollgate");
    assert_eq!(theirs.export(&archive).expect("exported").0, 2);
    assert_eq!(counts(&ours.import(&archive, Trust::AsStated).expect("imported")), (1, 1, 0));
    assert_eq!(counts(&ours.import(&archive, Trust::AsStated).expect("imported again")), (0, 2, 0));
    assert_eq!(read(&ours), (["run-1", "run-2", "run-3"].map(str::to_owned).into(), Vec::new()));
    let newest = ours.nearest(&[tree('a')], &stage()).expect("asked").expect("found");
    assert_eq!(ours.read(&newest.blobs["lines"]).expect("it came along"), b"1-40");

    let (_fork_guard, _, marked) = history();
    assert_eq!(counts(&marked.import(&archive, Trust::Fork).expect("imported")), (2, 0, 0));
    let sources: Vec<_> = marked.records().expect("a list").map(|entry| entry.expect("read").1.source).collect();
    assert_eq!(sources, [Source::Fork; 2]);
    assert_eq!(marked.nearest(&[tree('a')], &stage()).expect("asked"), None);
}

#[test]
fn a_history_that_is_unpacked_over_another_leaves_the_records_of_both() {
    let (_guard, here, ours) = history();
    let (_other, there, theirs) = history();
    let common = record(1);
    for history in [&ours, &theirs] {
        history.add(&common).expect("added");
    }
    ours.add(&record(2)).expect("added");
    theirs.add(&record(3)).expect("added");
    for history in [&ours, &theirs] {
        history.index().expect("an index");
    }
    // As a cache is unpacked: what has the same name is written over, the index among it.
    let packed = Command::new("tar").args(["--posix", "-cf", "../packed.tar", "."]).current_dir(&there).status();
    let unpacked = Command::new("tar").arg("-xf").arg(there.with_file_name("packed.tar")).current_dir(&here).status();
    assert!(packed.expect("tar runs").success() && unpacked.expect("tar runs").success());
    assert_eq!(read(&ours), (["run-1", "run-2", "run-3"].map(str::to_owned).into(), Vec::new()));
    let index = ours.index().expect("an index");
    let runs: Vec<String> = index.runs(9).expect("runs").iter().map(|run| run.run.to_string()).collect();
    assert_eq!(runs, ["run-1", "run-2", "run-3"]);
}

#[test]
fn of_a_damaged_archive_what_is_whole_is_kept_and_the_rest_is_named() {
    let (_guard, root, ours) = history();
    for number in [1, 2] {
        ours.add(&record(number)).expect("added");
    }
    let archive = root.join("archive.tollgate");
    ours.export(&archive).expect("exported");
    let bytes = fs::read(&archive).expect("bytes");
    let import = |bytes: &[u8]| {
        let (guard, root, history) = history();
        let archive = root.join("damaged");
        fs::write(&archive, bytes).expect("written");
        let imported = history.import(&archive, Trust::AsStated).map(|imported| counts(&imported));
        drop(guard);
        imported.map_err(|error| error.to_string().replace(archive.as_str(), "FILE"))
    };
    assert_eq!(import(&bytes), Ok((2, 0, 0)));
    let mut flipped = bytes.clone();
    let last = flipped.len() - "end\n".len() - 1;
    flipped[last] ^= 1;
    assert_eq!(import(&flipped), Ok((1, 0, 1)));
    assert_eq!(
        import(&bytes[..bytes.len() - 4]),
        Err("the archive is damaged: FILE ends early, after 2 new records".to_owned())
    );
    let within = import(&bytes[..bytes.len() - 20]).unwrap_err();
    assert!(within.starts_with("the archive is damaged: FILE ends within records "), "{within}");
    assert_eq!(
        import(b"PK\n"),
        Err("the archive is damaged: FILE does not begin with `tollgate history 1`".to_owned())
    );
    let absurd = format!("tollgate history 1\nrecords {} 99999999999999\n", "a".repeat(64));
    assert!(import(absurd.as_bytes()).unwrap_err().ends_with("is not the head of a file"));
    let escaping = "tollgate history 1\nblobs ../../../etc/passwd 1\nx";
    assert!(import(escaping.as_bytes()).unwrap_err().ends_with("is not the head of a file"));
}
