//! The program of a change: what it decides is what a trial of the mutant by itself would say.

use crate::mutants::{mutants, report};
use crate::support::{commit, git, package, shop};
use std::{collections::BTreeMap, fs};
use tollgate_core::mutation::MutationReport;
use tollgate_model::MutantOutcome::{self, Caught, Missed, Unviable};
use tollgate_testkit::Fixture;

/// What is compiled by itself as well.
const HOURS: &str = r"//! When the shop is open.

/// The hour at which it closes.
pub fn closes() -> u32 {
    20
}
";

const CHANGE: &str = r##"
mod hours;

/// Whether so many items are sent free of charge.
pub fn is_sent_free(items: u32) -> bool {
    items > 40
}

/// The place that items take.
#[deny(unused_variables)]
pub fn size(items: u32) -> u32 {
    items
}

/// The same, for whoever asks.
pub fn pairs(items: u32) -> u32 {
    halves(items)
}

/// Half of them; without `pairs` only a test uses it.
#[deny(dead_code)]
fn halves(items: u32) -> u32 {
    items / 2
}

#[cfg(test)]
mod change {
    use super::*;
    use std::{fs, process::Command};

    #[test]
    fn many_items_are_sent_free() {
        assert!(is_sent_free(100) && !is_sent_free(1));
        size(1);
        pairs(1);
        assert_eq!(halves(4), 2);
    }

    /// Only a program that this test compiles looks at it.
    #[test]
    fn the_shop_closes_at_eight() {
        hours::closes();
        let directory = std::env::temp_dir().join(format!("hours-{}", std::process::id()));
        fs::create_dir(&directory).expect("a directory");
        let (source, program) = (directory.join("main.rs"), directory.join("main"));
        let main = "mod hours; fn main() { std::process::exit(hours::closes() as i32) }";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hours.rs");
        fs::write(&source, format!("#[path = {path:?}] {main}")).expect("written");
        let compiled = Command::new("rustc").arg(&source).arg("-o").arg(&program).status().expect("rustc runs");
        let ended = Command::new(&program).status().expect("it runs");
        fs::remove_dir_all(&directory).expect("removed");
        assert!(compiled.success());
        assert_eq!(ended.code(), Some(20));
    }
}
"##;

/// Tables, whose width is in what a build script writes.
const TABLES: &str = r"//! Tables.

/// How wide one is.
pub fn width() -> u32 {
    80
}

#[cfg(test)]
mod unit {
    #[test]
    fn it_is_known() {
        super::width();
    }
}
";

/// What a build script of its own package takes in.
const WORDS: &str = r"//! Words.

/// The number of the word.
pub fn word() -> u32 {
    7
}
";

const WORDY: &str = r#"//! What a build script wrote of words.

pub mod words;

#[cfg(test)]
mod unit {
    #[test]
    fn it_is_the_seventh() {
        super::words::word();
        assert_eq!(env!("WORD"), "7");
    }
}
"#;

/// A shop, tables and words, which a change adds to.
fn changed(more: &str) -> Fixture {
    let shop = shop();
    shop.replace("Cargo.toml", "[\"shop\"]", "[\"shop\", \"tables\", \"made\", \"wordy\"]");
    let package = |name: &str, more: &str, source: &str| package(&shop, name, more, source);
    let test = "#[cfg(test)]\nmod unit {\n    #[test]\n    fn it_is_eighty() {\n        assert_eq!(super::WIDTH, \"80\");\n    }\n}\n";
    package("tables", "", "//! Tables.\n");
    let needs =
        "[dependencies]\nshop = { path = \"../shop\" }\n\n[build-dependencies]\ntables = { path = \"../tables\" }";
    package("made", needs, "//! What a build script wrote.\n");
    package("wordy", "", "//! Nothing yet.\n");
    git(&shop, &["init", "--quiet", "--initial-branch=main"]);
    commit(&shop);
    git(&shop, &["switch", "--quiet", "--create=change"]);
    shop.write("shop/src/hours.rs", HOURS).append("shop/src/lib.rs", &format!("{CHANGE}{more}"));
    shop.write("tables/src/lib.rs", TABLES);
    shop.write("made/build.rs", "fn main() {\n    println!(\"cargo:rustc-env=WIDTH={}\", tables::width());\n}\n");
    shop.write(
        "made/src/lib.rs",
        &format!("//! What a build script wrote.\n\nconst WIDTH: &str = env!(\"WIDTH\");\n\n{test}"),
    );
    shop.write("wordy/src/words.rs", WORDS).write("wordy/src/lib.rs", WORDY);
    let script = "#[path = \"src/words.rs\"]\nmod words;\n\nfn main() {\n    println!(\"cargo:rustc-env=WORD={}\", words::word());\n}\n";
    shop.write("wordy/build.rs", script);
    commit(&shop);
    shop
}

/// What became of the mutants, by function and change.
fn outcomes(report: &MutationReport) -> BTreeMap<String, MutantOutcome> {
    report.results.iter().map(|result| (result.mutant.change().to_owned(), result.outcome)).collect()
}

#[test]
fn what_the_program_of_a_change_says_is_what_its_mutants_do_by_themselves() {
    let shop = changed("");
    let ended = mutants(&shop, &["--diff", "main"]);
    assert_eq!(ended.code, 0, "{ended}");
    let found = report(&shop);
    let expected = [
        ("replace is_sent_free -> bool with true", Caught),
        ("replace is_sent_free -> bool with false", Caught),
        ("replace > with == in is_sent_free", Caught),
        ("replace > with < in is_sent_free", Caught),
        ("replace > with >= in is_sent_free", Missed),
        // A lint refuses what uses none of its arguments.
        ("replace size -> u32 with 0", Unviable),
        ("replace size -> u32 with 1", Unviable),
        // So does one that refuses what only a test uses, in the library that others use.
        ("replace pairs -> u32 with 0", Unviable),
        ("replace pairs -> u32 with 1", Unviable),
        ("replace halves -> u32 with 0", Caught),
        ("replace halves -> u32 with 1", Caught),
        ("replace / with % in halves", Caught),
        ("replace / with * in halves", Caught),
        // A program that a test compiles has the mutant too, here in the edition of 2015.
        ("replace closes -> u32 with 0", Caught),
        ("replace closes -> u32 with 1", Caught),
        // A build script that is compiled with it has it while it writes.
        ("replace width -> u32 with 0", Caught),
        ("replace width -> u32 with 1", Caught),
        // A build script that takes in a file of its own package has it, too.
        ("replace word -> u32 with 0", Caught),
        ("replace word -> u32 with 1", Caught),
    ];
    let outcomes = outcomes(&found);
    assert_eq!(outcomes, expected.map(|(change, outcome)| (change.to_owned(), outcome)).into(), "{ended}");
    let joint = |function: &str| {
        let of = found.results.iter().filter(|result| result.mutant.function.as_deref() == Some(function));
        of.map(|result| result.joint).collect::<Vec<_>>()
    };
    let by_itself = ["size", "pairs", "width", "word"].map(joint);
    assert_eq!((joint("closes"), by_itself), (vec![true; 2], [const { [false; 2] }; 4].map(Vec::from)), "{ended}");
    assert!(ended.stderr.contains("Built one program with 19 mutants of the change\n"), "{ended}");
    for file in ["shop/src/lib.rs", "shop/src/hours.rs", "tables/src/lib.rs"] {
        assert_eq!(shop.read(&format!("target/tollgate/mutants/tree/{file}")), shop.read(file));
    }
}

/// Fails where anything is written into its source.
const LOOKS: &str = "
#[test]
fn its_source_is_what_was_written() {
    assert!(!include_str!(\"lib.rs\").contains(concat!(\"__\", \"tollgate\")));
}
";

#[test]
fn where_a_test_fails_in_the_program_of_a_change_while_none_is_on_mutants_are_tried_without_it() {
    let shop = changed(LOOKS);
    let ended = mutants(&shop, &["--diff", "main", "--package", "tables", "--package", "shop"]);
    assert_eq!(ended.code, 0, "{ended}");
    let why = "are not tried in one program: a test fails there while none is switched on: shop its_source_is_what_was_written";
    assert!(ended.stderr.contains(why), "{ended}");
    let outcomes = outcomes(&report(&shop));
    let seen = |change: &str| outcomes.get(change).copied();
    assert_eq!(seen("replace > with >= in is_sent_free"), Some(Missed), "{ended}");
    assert_eq!(seen("replace > with == in is_sent_free"), Some(Caught), "{ended}");
    assert_eq!(seen("replace width -> u32 with 0"), Some(Caught), "{ended}");
    assert_eq!(shop.read("target/tollgate/mutants/tree/shop/src/lib.rs"), shop.read("shop/src/lib.rs"));
}

#[test]
fn a_mutant_that_only_a_program_reaches_is_noticed_by_the_test_that_runs_it() {
    let shop = changed("");
    shop.append("ci/tollgate.toml", "[tiers.program]\nfilter = \"binary(program)\"");
    shop.replace("ci/tollgate.toml", "\"integration\", \"e2e\"]", "\"integration\", \"e2e\", \"program\"]");
    let main =
        "//! A word.\n\nfn word() -> u8 {\n    7\n}\n\nfn main() -> std::process::ExitCode {\n    word().into()\n}\n";
    let test = "//! Its end.\n\n#[test]\nfn it_ends_with_seven() {\n    let program = env!(\"CARGO_BIN_EXE_wordy\");\n    \
                let ended = std::process::Command::new(program).status().expect(\"it runs\");\n    \
                assert_eq!(ended.code(), Some(7));\n}\n";
    fs::create_dir_all(shop.root().join("wordy/tests")).expect("a directory");
    shop.write("wordy/src/main.rs", main).write("wordy/tests/program.rs", test);
    let ended = mutants(&shop, &["--diff", "main", "--package", "wordy"]);
    assert_eq!(ended.code, 0, "{ended}");
    let found = report(&shop);
    let of_main = found.results.iter().filter(|result| result.mutant.file == "wordy/src/main.rs");
    let told: Vec<_> = of_main.map(|result| (result.mutant.change(), result.outcome, result.joint)).collect();
    let expected = [
        "replace word -> u8 with 0",
        "replace main -> std::process::ExitCode with Default::default()",
        "replace word -> u8 with 1",
    ];
    assert_eq!(told, expected.map(|change| (change, Caught, true)), "{ended}");
}
