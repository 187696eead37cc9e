//! Mutants of packages that don't compile alone: they are told apart in the packages that the baseline compiled, and none is called
//! unviable or noticed for what it is not to blame for.

use crate::mutants::{changes, mutants, report};
use crate::support::{commit, git, package, shop};
use tollgate_model::{
    MutantOutcome::{self, Caught, Missed},
    MutantResult,
};
use tollgate_testkit::Fixture;

/// What only those have who ask for it.
const PARTS: &str = r#"//! What others are made of.

/// Whether so many items are wrapped.
#[cfg(feature = "wrapping")]
pub fn is_wrapped(items: u32) -> bool {
    items > 2
}

/// Whether anything is.
pub const IS_WRAPPING: bool = cfg!(feature = "wrapping");
"#;

/// Asks nobody for what it takes, and has a function that its test looks at and one that it does not.
const PLAIN: &str = r"
/// Whether nothing is around them.
pub fn is_plain(items: u32) -> bool {
    !parts::is_wrapped(items)
}

/// Whether they are seen.
pub fn is_seen(items: u32) -> bool {
    !parts::is_wrapped(items)
}

#[cfg(test)]
mod unit {
    #[test]
    fn two_items_are_plain() {
        assert!(super::is_plain(2) && !super::is_plain(3));
        super::is_seen(2);
    }
}
";

/// A shop with gifts, a counter that depends on them, and a kiosk that nothing depends on. All take what the counter alone asks for.
fn with_gifts() -> Fixture {
    let shop = shop();
    shop.replace("Cargo.toml", "[\"shop\"]", "[\"shop\", \"gifts\", \"counter\", \"kiosk\"]\nexclude = [\"parts\"]");
    let package = |name: &str, more: &str, source: &str| package(&shop, name, more, source);
    let asks =
        "[dependencies]\ngifts = { path = \"../gifts\" }\nparts = { path = \"../parts\", features = [\"wrapping\"] }";
    let takes = "[dependencies]\nparts = { path = \"../parts\" }";
    package("parts", "[features]\nwrapping = []", PARTS);
    package("gifts", takes, "//! Gifts.\n");
    package("counter", asks, "//! Where gifts are wrapped.\n");
    package("kiosk", takes, "//! A kiosk.\n");
    shop
}

/// Changes of an outcome in a package, of mutants that were tried by themselves.
fn alone(shop: &Fixture, package: &str, outcome: MutantOutcome) -> Vec<String> {
    tried(shop, package, outcome, false)
}

/// Changes of an outcome in a package, of mutants that were tried together or by themselves.
fn tried(shop: &Fixture, package: &str, outcome: MutantOutcome, is_joint: bool) -> Vec<String> {
    let mut found = report(shop);
    found.results.retain(|result| result.mutant.package == package && result.joint == is_joint);
    let mut changes = changes(&found, outcome);
    changes.sort_unstable();
    changes
}

#[test]
fn a_mutant_is_told_apart_where_its_package_compiles_only_with_another() {
    let seen = ["delete ! in is_seen", "replace is_seen -> bool with false", "replace is_seen -> bool with true"];
    // Of a change one survivor a line is enough, and all packages are compiled with its mutants at once.
    let scopes: [(&[&str], &[&str], bool); 2] = [
        (&["--diff", "main"], &seen[..1], true),
        (&["--all", "--package", "gifts", "--package", "kiosk"], &seen, false),
    ];
    for (args, missed, is_joint) in scopes {
        let shop = with_gifts();
        git(&shop, &["init", "--quiet", "--initial-branch=main"]);
        commit(&shop);
        git(&shop, &["switch", "--quiet", "--create=plain"]);
        shop.append("gifts/src/lib.rs", PLAIN).append("kiosk/src/lib.rs", PLAIN);
        commit(&shop);
        let ended = mutants(&shop, args);
        assert_eq!(ended.code, 0, "{ended}");
        // The counter depends on the gifts and is compiled with them; with the kiosk it is where all are that the baseline compiled.
        for package in ["gifts", "kiosk"] {
            let caught = tried(&shop, package, Caught, is_joint);
            assert_eq!(caught, seen.map(|change| change.replace("seen", "plain")), "{ended}");
            assert_eq!(alone(&shop, package, Missed), missed, "{ended}");
        }
        assert_eq!(report(&shop).score.unviable, 0, "{ended}");
        // The command of a survivor's question, whose package nobody compiles beside the counter.
        let is_survivor = |result: &&MutantResult| result.outcome == Missed && result.mutant.package == "kiosk";
        let name = report(&shop).results.iter().find(is_survivor).map(|result| result.mutant.name.clone());
        let ended = mutants(&shop, &["--only", &name.expect("one survived")]);
        assert_eq!((ended.code, report(&shop).score.missed), (0, 1), "{ended}");
    }
}

/// Compiles alone, where its test fails.
const TIED: &str = r"
/// Whether so many items have a ribbon.
pub fn has_ribbon(items: u32) -> bool {
    parts::IS_WRAPPING || items > 2
}

#[cfg(test)]
mod unit {
    #[test]
    fn one_item_has_a_ribbon() {
        assert!(super::has_ribbon(1));
    }
}
";

#[test]
fn a_test_that_fails_where_its_package_is_compiled_alone_notices_nothing_by_that() {
    let shop = with_gifts();
    git(&shop, &["init", "--quiet", "--initial-branch=main"]);
    commit(&shop);
    git(&shop, &["switch", "--quiet", "--create=tied"]);
    shop.append("gifts/src/lib.rs", TIED).append("kiosk/src/lib.rs", TIED);
    commit(&shop);
    let noticed = ["replace has_ribbon -> bool with false", "replace || with && in has_ribbon"];
    let ended = mutants(&shop, &["--all", "--package", "gifts", "--package", "kiosk"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains("does not pass there while none is switched on"), "{ended}");
    for package in ["gifts", "kiosk"] {
        assert_eq!(alone(&shop, package, Caught), noticed, "{ended}");
        assert!(alone(&shop, package, Missed).contains(&"replace has_ribbon -> bool with true".to_owned()), "{ended}");
    }
    // Nothing but the kiosk is compiled for it, where its test fails without any mutant.
    let ended = mutants(&shop, &["--all", "--package", "kiosk"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(alone(&shop, "kiosk", Caught), noticed, "{ended}");
}

/// How many functions have one mutant each: so many are checked at once.
const FUNCTIONS: u64 = 10;

#[test]
fn mutants_of_everything_are_not_called_unviable_for_a_package_that_does_not_compile_alone() {
    let shop = with_gifts();
    let one = |number: u64| {
        format!(
            "\n/// Plain {number}.\npub fn is_plain{number}(items: u32) -> bool {{\n    !parts::is_wrapped(items)\n}}\n"
        )
    };
    let all: String = (1..=FUNCTIONS).map(one).collect();
    let seen: Vec<String> = (1..FUNCTIONS).map(|number| format!("super::is_plain{number}(2)")).collect();
    let test = format!(
        "\n#[cfg(test)]\nmod unit {{\n    #[test]\n    fn two_items_are_plain() {{\n        assert!({});\n        \
         super::is_plain{FUNCTIONS}(2);\n    }}\n}}",
        seen.join(" && ")
    );
    shop.append("gifts/src/lib.rs", &(all + &test));
    for value in ["true", "false"] {
        let exclude = format!("[[mutants.exclude]]\nreplacement = \"{value}\"\nreason = \"one mutant each\"");
        shop.append("ci/tollgate.toml", &exclude);
    }
    let ended = mutants(&shop, &["--all", "--package", "gifts"]);
    assert_eq!(ended.code, 0, "{ended}");
    let score = report(&shop).score;
    assert_eq!((score.caught, score.missed, score.unviable), (FUNCTIONS - 1, 1, 0), "{ended}");
    assert_eq!(alone(&shop, "gifts", Missed), [format!("delete ! in is_plain{FUNCTIONS}")], "{ended}");
    assert!(!ended.stderr.contains("don't compile"), "{ended}");
}
