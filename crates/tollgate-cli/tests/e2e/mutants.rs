//! Mutants: a seeded survivor is found and asked about, outcomes are told apart, nothing is judged on broken ground, and an
//! interrupted run goes on where it was.

use crate::support::{assert_nothing_left, commit, git, package, shop, tollgate};
use std::fs;
use tollgate_core::mutation::{MutationReport, Score};
use tollgate_model::{MutantOutcome, MutantResult, TestId};
use tollgate_testkit::{Ended, Fixture};

/// Whose boundary no test looks at.
const SEEDED: &str = r#"
/// Whether so many items are sent free of charge.
pub fn is_sent_free(items: u32) -> bool {
    items > 40
}

/// How often a box is filled.
pub fn boxes(items: u32) -> u32 {
    let (mut packed, mut boxes) = (0, 0);
    while packed < items {
        packed += 12;
        boxes += 1;
    }
    boxes
}

/// What has no default value.
pub struct Till(std::num::NonZeroU32);

/// The till.
pub fn till() -> Till {
    Till(std::num::NonZeroU32::MIN)
}

/// The hour at which the shop closes.
pub fn closes() -> u32 {
    20
}

#[cfg(test)]
mod seeded {
    use super::*;

    /// Only another process looks at it, which has no variables.
    #[test]
    fn the_shop_closes_at_eight() {
        let hour = closes();
        if std::env::var_os("NEXTEST").is_none() {
            assert_eq!(hour, 20);
            return;
        }
        let mut child = std::process::Command::new(std::env::current_exe().expect("a program"));
        child.env_clear().env("LLVM_PROFILE_FILE", "/dev/null").args(["--exact", "seeded::the_shop_closes_at_eight"]);
        assert!(child.output().expect("it ends").status.success());
    }

    #[test]
    fn many_items_are_sent_free() {
        assert!(is_sent_free(100) && !is_sent_free(1));
    }

    #[test]
    fn a_box_holds_a_dozen() {
        assert_eq!([boxes(0), boxes(12), boxes(13)], [0, 1, 2]);
    }

    #[test]
    fn the_till_holds_one() {
        assert_eq!(till().0.get(), 1);
    }
}
"#;

/// A shop whose branch adds the seeded code to what `main` has.
fn branched() -> Fixture {
    let shop = shop();
    git(&shop, &["init", "--quiet", "--initial-branch=main"]);
    git(&shop, &["add", "--all"]);
    git(&shop, &["commit", "--quiet", "--message=shop"]);
    git(&shop, &["switch", "--quiet", "--create=boundary"]);
    shop.append("shop/src/lib.rs", SEEDED);
    git(&shop, &["commit", "--quiet", "--all", "--message=boundary"]);
    shop
}

/// Runs `mutants` with these arguments.
pub(crate) fn mutants(shop: &Fixture, args: &[&str]) -> Ended {
    let args: Vec<&str> = ["mutants"].into_iter().chain(args.iter().copied()).collect();
    tollgate(shop, &args).run()
}

/// The report of the newest run of mutants.
pub(crate) fn report(shop: &Fixture) -> MutationReport {
    serde_json::from_str(&shop.read("target/tollgate/mutants/report.json")).expect("a report")
}

/// Changes of an outcome, without places.
pub(crate) fn changes(report: &MutationReport, outcome: MutantOutcome) -> Vec<String> {
    let of = report.results.iter().filter(|result| result.outcome == outcome);
    of.map(|result| result.mutant.change().to_owned()).collect()
}

#[test]
fn a_survivor_of_a_change_is_asked_about_on_its_line_and_blocks_where_that_is_wanted() {
    let shop = branched();
    let line = shop.read("shop/src/lib.rs").lines().position(|line| line == "    items > 40").expect("it is there") + 1;
    let only = ["--diff", "main", "--package", "shop"];
    let args: Vec<&str> = ["mutants"].into_iter().chain(only).collect();
    let ended = tollgate(&shop, &args).env("GITHUB_ACTIONS", "true").run();
    assert_eq!(ended.code, 0, "{ended}");
    for wanted in [
        format!("shop/src/lib.rs:{line}: the tests still pass if `>` becomes `>=` in `is_sent_free`. Is that meant?"),
        "    -    items > 40\n    +    items >= 40\n".to_owned(),
        "  1 test enters it: shop seeded::many_items_are_sent_free\n".to_owned(),
        format!("--only 'shop/src/lib.rs:{line}:11: replace > with >= in is_sent_free'"),
        "warned mutation.diff: tests don't notice 1 mutant of lines that this change touches".to_owned(),
        format!("\n::warning file=shop/src/lib.rs,line={line},title="),
    ] {
        assert!(ended.stdout.contains(&wanted), "no `{wanted}` in\n{ended}");
    }
    let found = report(&shop);
    assert_eq!(changes(&found, MutantOutcome::Missed), ["replace > with >= in is_sent_free"]);
    assert!(!changes(&found, MutantOutcome::TimedOut).is_empty(), "{ended}");
    assert!(changes(&found, MutantOutcome::Unviable).iter().any(|change| change.contains("till")), "{ended}");
    // Most are tried in one program, where a process without variables is told as well.
    let noticed = ended.stderr.lines().find_map(|line| line.trim().strip_prefix("Noticed ")).unwrap_or_default();
    assert!(noticed.ends_with(" mutants in one program") && !noticed.starts_with("0 "), "{ended}");
    let closes = found.results.iter().filter(|result| result.mutant.function.as_deref() == Some("closes"));
    let closes: Vec<_> = closes.map(|result| (result.outcome, result.joint)).collect();
    assert_eq!(closes, [(MutantOutcome::Caught, true); 2], "{ended}");
    // Lines that the change does not touch are no concern of it.
    assert!(found.results.iter().all(|result| result.mutant.function.as_deref() != Some("price")));

    shop.append("ci/tollgate.toml", "[gates.mutation]\nmax-missed-in-diff = 0");
    let ended = mutants(&shop, &["--only", "replace > with >= in is_sent_free"]);
    assert_eq!(ended.code, 0, "{ended}");
    let ended = mutants(&shop, &["--diff", "main", "--iterate"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert!(ended.stdout.contains("failed mutation.diff"), "{ended}");
    shop.replace(
        "shop/src/lib.rs",
        "    items > 40",
        "    items > 40 // tollgate: no-mutants(the boundary is not decided)",
    );
    let ended = mutants(&shop, &["--diff", "main", "--iterate", "--budget", "90s"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stdout.contains("in is_sent_free: the boundary is not decided\n"), "{ended}");
}

/// A query that nobody but a server can judge, and a test that looks at nothing else of it.
const QUERY: &str = r#"
/// The query that counts the invoices which are overdue for so many days.
pub fn overdue(days: u32) -> String {
    format!("SELECT count(*) FROM (VALUES (10), (31), (45)) AS invoice(days) WHERE days > {days}")
}

/// Whether what is left is removed.
pub fn cleans_up() -> bool {
    true
}

#[cfg(test)]
mod query {
    #[test]
    fn there_is_one() {
        assert!(!super::overdue(30).is_empty());
    }
}
"#;

/// Asks PostgreSQL, by its protocol of messages (version 3.0).
const DATABASE: &str = r#"//! The library's queries, asked of a real PostgreSQL.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("it is short").to_be_bytes();
    [kind, &length, body].concat()
}

/// The first column of the answer's row.
fn ask(query: &str) -> String {
    let address = std::env::var("DATABASE").expect("DATABASE names the address of PostgreSQL");
    let mut server = TcpStream::connect(address).expect("PostgreSQL listens");
    server.write_all(&message(b"", b"\0\x03\0\0user\0shop\0database\0postgres\0\0")).expect("sent");
    let (mut asked, mut answer) = (false, None);
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head).expect("a message");
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; length as usize - 4];
        server.read_exact(&mut body).expect("the message's body");
        match head[0] {
            b'E' => panic!("{}", String::from_utf8_lossy(&body)),
            b'D' => answer = Some(String::from_utf8_lossy(&body[6..]).into_owned()),
            b'Z' if asked => return answer.expect("a row"),
            b'Z' => {
                asked = true;
                server.write_all(&message(b"Q", format!("{query}\0").as_bytes())).expect("sent");
            }
            _ => {}
        }
    }
}

#[test]
fn two_invoices_are_overdue() {
    let query = shop::overdue(30);
    if query == "xyzzy" && std::env::var_os("KILLS").is_some() {
        ask("COPY (SELECT 1) TO PROGRAM 'kill -9 $(head -n 1 postmaster.pid)'");
    }
    assert_eq!(ask(&query), "2");
}

#[test]
fn the_till_is_open() {
    let left = std::path::PathBuf::from(std::env::var("TOLLGATE_RUN_DIR").expect("a run")).join("left");
    assert!(!left.exists(), "another test left something");
    if !shop::cleans_up() {
        std::fs::write(left, "").expect("written");
    }
}
"#;

#[test]
fn a_mutant_that_only_a_test_with_a_server_notices_is_caught_where_the_policy_asks_for_such_tests() {
    let shop = shop();
    shop.append("shop/src/lib.rs", QUERY);
    shop.write("shop/tests/database.rs", DATABASE);
    let service = "  db:\n    image: postgres:15-bookworm\n    environment: { POSTGRES_USER: shop, POSTGRES_DB: postgres, \
                   POSTGRES_HOST_AUTH_METHOD: trust }\n    ports: [\"127.0.0.1::5432\"]\n    healthcheck: { test: [CMD, pg_isready] }\n    \
                   x-tollgate: { recipe: postgres }";
    shop.append("ci/compose.yaml", service);
    shop.replace("ci/tollgate.toml", "[tiers.unit]", "DATABASE = \"${db.host}:${db.port:5432}\"\n\n[tiers.unit]");
    shop.append("ci/tollgate.toml", "[tiers.database]\nfilter = \"binary(database)\"\nservices = [\"db\"]");
    shop.replace("ci/tollgate.toml", "\"integration\", \"e2e\"]", "\"integration\", \"e2e\", \"database\"]");
    let only = ["--only", "overdue -> String with \"xyzzy\".into()", "--engine", "native"];
    let ended = mutants(&shop, &only);
    assert_eq!((ended.code, changes(&report(&shop), MutantOutcome::Missed).len()), (0, 1), "{ended}");

    shop.append("ci/tollgate.toml", "[mutants]\ntiers = [\"unit\", \"database\"]");
    let ended = mutants(&shop, &only);
    assert_eq!(ended.code, 0, "{ended}");
    let found = report(&shop);
    let noticed: Vec<_> = found.results.iter().map(|result| (result.outcome, result.noticed_by.clone())).collect();
    let by = TestId::new("shop::database", "two_invoices_are_overdue");
    assert_eq!(noticed, [(MutantOutcome::Caught, Some(by))], "{ended}");
    assert_nothing_left(&shop);

    // What was seen beside a service that died, or that a mutant spoilt, is neither shown nor taken over.
    let known = shop.read("target/tollgate/mutants/results.jsonl");
    let spoils = mutants(&shop, &["--only", "cleans_up -> bool with false", "--engine", "native"]);
    assert_eq!(spoils.code, 3, "{spoils}");
    assert!(spoils.stderr.contains("test `shop::database the_till_is_open` fails"), "{spoils}");
    shop.append("shop/tests/database.rs", "// Other tests, so that nothing is taken over.");
    let args: Vec<&str> = ["mutants"].into_iter().chain(only).collect();
    let dies = tollgate(&shop, &args).env("KILLS", "1").run();
    assert_eq!(dies.code, 5, "{dies}");
    assert!(dies.stderr.contains("service `db` died"), "{dies}");
    assert_eq!(shop.read("target/tollgate/mutants/results.jsonl"), known);
    assert_nothing_left(&shop);
}

/// A part of the service that no test has in its own process.
const SERVED: &str = r#"//! What only those see who ask the service.

/// What somebody is told who is lost.
pub fn lost() -> &'static str {
    "404 Not Found"
}

/// Whether a request is the last one.
pub fn is_last(request: &str) -> bool {
    request.contains("/price/") && request.contains("last")
}
"#;

/// What lets a program run only once at a time.
const ALONE: &str =
    "    let lock = std::fs::File::create(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/lock\")).expect(\"a file\");
    lock.try_lock().expect(\"nobody else has the shop\");
";

#[test]
fn a_mutant_of_a_service_is_tried_in_services_of_its_own() {
    let shop = shop();
    shop.write("shop/src/served.rs", SERVED);
    shop.replace("shop/src/main.rs", "fn main()", "mod served;\n\nfn main()");
    shop.replace("shop/src/main.rs", "\"404 Not Found\"", "served::lost()");
    shop.replace("shop/src/main.rs", "request.contains(\"/die\")", "served::is_last(&request)");
    shop.append("ci/tollgate.toml", "[mutants]\ntiers = [\"unit\", \"e2e\"]");
    let ended = mutants(&shop, &["--only", "served.rs", "--engine", "native"]);
    assert_eq!(ended.code, 0, "{ended}");
    let found = report(&shop);
    let told: Vec<_> = found.results.iter().map(|result| (result.mutant.change(), noticed(result))).collect();
    let lost = "shop::e2e a_customer_who_is_lost_is_told_so";
    let expected = [
        ("replace lost -> &'static str with \"\"", lost),
        ("replace lost -> &'static str with \"xyzzy\"", lost),
        ("replace is_last -> bool with true", "service `shop` ended with exit code 3"),
        ("replace is_last -> bool with false", "missed"),
    ];
    let (dies, others) = told.split_last().expect("five");
    assert_eq!(others, expected.map(|(change, how)| (change, how.to_owned())), "{ended}");
    // It goes while a test waits for its answer; which of the two is seen first depends on who is faster.
    let seen = ["service `shop` died: exit code 3", "shop::e2e a_customer_sees_a_price"];
    assert!(dies.0 == "replace && with || in is_last" && seen.contains(&&*dies.1), "{ended}");
    assert_nothing_left(&shop);

    // A program that can't run twice would seem to notice every mutant.
    shop.replace("shop/src/main.rs", "    let address =", &format!("{ALONE}    let address ="));
    let ended = mutants(&shop, &["--only", "served.rs", "--engine", "native"]);
    assert_eq!(ended.code, 3, "{ended}");
    assert!(ended.stderr.contains("fails beside services of its own"), "{ended}");
    assert!(ended.stderr.contains("service `shop` ended with exit code 101"), "{ended}");
    assert_nothing_left(&shop);
}

/// What noticed a mutant, in a word or two.
fn noticed(result: &MutantResult) -> String {
    let by = result.noticed_by.as_ref().map(ToString::to_string);
    result.fell.clone().or(by).unwrap_or_else(|| result.outcome.as_str().to_owned())
}

#[test]
fn a_package_without_tests_catches_nothing() {
    let shop = shop();
    shop.replace("shop/src/lib.rs", "#[cfg(test)]", "#[cfg(any())]");
    shop.append("shop/src/lib.rs", "/// One.\n#[cfg_attr(any(), mutants::skip)]\npub fn one() -> u32 {\n    1\n}");
    shop.replace(
        "shop/src/lib.rs",
        "pub fn answer",
        "// One function is enough here.\n#[cfg_attr(any(), mutants::skip)]\npub fn answer",
    );
    git(&shop, &["init", "--quiet", "--initial-branch=main"]);
    commit(&shop);
    shop.replace("shop/src/lib.rs", "items / 11", "items / 12");
    let ended = mutants(&shop, &["--diff", "main"]);
    assert_eq!((ended.code, report(&shop).results.len()), (0, 0), "{ended}");
    assert!(ended.stdout.contains(" on lines that no test reaches\n"), "{ended}");
    let ended = mutants(&shop, &["--all"]);
    assert_eq!(ended.code, 3, "{ended}");
    assert!(ended.stderr.contains("so nothing can be judged; the tiers are: unit\n"), "{ended}");
    shop.append("shop/src/lib.rs", "#[test]\nfn nothing() {}");
    let ended = mutants(&shop, &["--all"]);
    assert_eq!(ended.code, 0, "{ended}");
    let report = report(&shop);
    assert_eq!((report.score.caught, report.score.timed_out), (0, 0), "{ended}");
    assert!(report.score.viable() > 0, "{ended}");
    assert!(
        ended.stdout.contains("warned mutation.skipped: no reason is given for 1 `mutants::skip`: shop/src/lib.rs:"),
        "{ended}"
    );
}

/// A test that passes where whoever runs it asks for backtraces.
const TRACED: &str = r#"
#[cfg(test)]
mod traced {
    #[test]
    fn a_backtrace_is_looked_up() {
        assert_eq!(std::env::var("RUST_BACKTRACE").as_deref(), Ok("1"));
    }
}
"#;

#[test]
fn a_broken_baseline_is_invalid_and_broken_code_is_a_failed_build() {
    let shop = shop();
    shop.replace("shop/src/lib.rs", "[25, 250, 250]", "[25, 250, 251]");
    // With a variable that trials don't have it would notice every mutant.
    shop.append("shop/src/lib.rs", TRACED);
    let ended = tollgate(&shop, &["mutants", "--all"]).env("RUST_BACKTRACE", "1").run();
    assert_eq!(ended.code, 3, "{ended}");
    assert!(ended.stderr.contains("  shop unit::the_eleventh_item_is_free: "), "{ended}");
    assert!(ended.stderr.contains("  shop traced::a_backtrace_is_looked_up: "), "{ended}");
    shop.append("shop/src/lib.rs", "fn broken() -> u32 { \"\" }");
    assert_eq!(mutants(&shop, &["--all"]).code, 4);
    shop.append("shop/src/lib.rs", "fn no_rust( {}");
    assert_eq!(mutants(&shop, &["--all"]).code, 4);
}

/// How many functions have one mutant that doesn't compile: so many are checked at once.
const TILLS: u32 = 10;

/// Those functions, one that only a process without variables enters, and one for another package.
fn tills() -> String {
    let till = |number: u32| {
        let made =
            if number == 1 { "Till(std::num::NonZeroU32::MIN)".to_owned() } else { format!("till{}()", number - 1) };
        format!("/// Till {number}.\npub fn till{number}() -> Till {{\n    {made}\n}}\n\n")
    };
    let tills: String = (1..=TILLS).map(till).collect();
    format!("\n/// What has no default value.\npub struct Till(std::num::NonZeroU32);\n\n{tills}{OTHERS}")
}

const OTHERS: &str = r#"/// The hour at which the shop closes.
pub fn closes() -> u32 {
    20
}

/// So many stamps.
pub fn stamps(items: u32) -> u32 {
    items / 5
}

#[cfg(test)]
mod tills {
    #[test]
    fn the_last_holds_one() {
        assert_eq!(super::till10().0.get(), 1);
    }

    #[test]
    fn the_shop_closes_at_eight() {
        if std::env::var_os("NEXTEST").is_none() {
            assert_eq!(super::closes(), 20);
            return;
        }
        let mut child = std::process::Command::new(std::env::current_exe().expect("a program"));
        let profile = std::env::var_os("LLVM_PROFILE_FILE").expect("a profile");
        child.env_clear().env("LLVM_PROFILE_FILE", profile).args(["--exact", "tills::the_shop_closes_at_eight"]);
        assert!(child.output().expect("it ends").status.success());
    }
}
"#;

/// Another package, whose test alone enters a function of the shop.
fn with_counter(shop: &Fixture) {
    shop.replace("Cargo.toml", "[\"shop\"]", "[\"shop\", \"counter\"]");
    let test = "//! Where stamps are counted.\n\n#[cfg(test)]\nmod unit {\n    #[test]\n    fn fifteen_items_are_three_stamps() {\n        \
                assert_eq!(shop::stamps(15), 3);\n    }\n}\n";
    package(shop, "counter", "[dependencies]\nshop = { path = \"../shop\" }", test);
}

#[test]
fn an_interrupted_run_leaves_the_workspace_alone_and_goes_on_where_it_was() {
    let shop = shop();
    shop.append("shop/src/lib.rs", &tills());
    with_counter(&shop);
    let before = shop.read("shop/src/lib.rs");
    let running = tollgate(&shop, &["mutants", "--all"]).start_until("Noticed");
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.code, 130, "{ended}");
    assert!(ended.stderr.contains("the same command goes on where this one was"), "{ended}");
    assert_eq!(shop.read("shop/src/lib.rs"), before);
    assert_eq!(shop.read("target/tollgate/mutants/tree/shop/src/lib.rs"), before);
    let ended = mutants(&shop, &["--all"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains("results of an earlier run"), "{ended}");
    let MutationReport { score, results, .. } = report(&shop);
    assert_eq!((score.viable(), score.unviable), (18, TILLS.into()), "{ended}");
    assert!(ended.stderr.contains("Checked 10 mutants don't compile"), "{ended}");
    let of = |function: &str| {
        let of = results.iter().filter(|result| result.mutant.function.as_deref() == Some(function));
        of.map(|result| (result.outcome, result.joint)).collect::<Vec<_>>()
    };
    // A process without variables is told as well, and another package's tests are asked there.
    assert_eq!(of("closes"), [(MutantOutcome::Caught, true); 2], "{ended}");
    assert_eq!(of("stamps"), [(MutantOutcome::Caught, true); 4], "{ended}");
    // A survivor of a program of many is counted, and tried by itself before it is stored.
    let survivors =
        |found: &MutationReport| found.missed().map(|one| (one.mutant.name.clone(), one.joint)).collect::<Vec<_>>();
    let counted = survivors(&report(&shop));
    assert!(!counted.is_empty() && counted.iter().all(|(_, joint)| *joint), "{counted:?}");
    united(&shop, score);
    let ended = mutants(&shop, &["--all", "--accept"]);
    let confirmed: Vec<_> = counted.into_iter().map(|(name, _)| (name, false)).collect();
    assert_eq!(survivors(&report(&shop)), confirmed, "{ended}");
}

/// Both parts of the same mutants, from what is known of them already, are united to the score of the whole.
fn united(shop: &Fixture, whole: Score) {
    let root = shop.root().join("parts");
    fs::create_dir_all(root.join("2")).expect("a directory");
    let gate = || tollgate(shop, &["gate", "--mutants", root.as_str()]).run();
    assert_eq!(gate().code, 2);
    for (part, code) in [(1, 3), (2, 0)] {
        let ended = mutants(shop, &["--all", "--shard", &format!("{part}/2")]);
        assert_eq!(ended.code, 0, "{ended}");
        let of = |part: u32| root.join(part.to_string()).join("report.json");
        fs::create_dir_all(of(part).parent().expect("one")).expect("a directory");
        fs::copy(shop.root().join("target/tollgate/mutants/report.json"), of(part)).expect("a copy");
        let ended = gate();
        assert_eq!(ended.code, code, "{ended}");
        assert_eq!(ended.stdout.contains("invalid mutation.shards: missing: 2/2"), part == 1, "{ended}");
    }
    assert_eq!(report(shop).score, whole);
}
