//! Tests of what mistakes look like.

use super::unit::{POLICY, SMALL, sources};
use super::*;
use insta::assert_snapshot;

/// Mistakes as `line:column message`, then its notes and hints, one line each.
fn mistakes(config: &str, policy: &str) -> String {
    let problems = load(&sources(config, policy)).expect_err("there are mistakes");
    let mut lines = Vec::new();
    for problem in problems.iter() {
        lines.push(format!("{}:{} {}", problem.line, problem.column, problem.message));
        lines.extend(problem.notes.iter().map(|note| format!("    note: {note}")));
        lines.extend(problem.hints.iter().map(|hint| format!("    help: {hint}")));
    }
    lines.join("\n")
}

/// Mistakes of the smallest configuration with more after it.
fn after_small(more: &str) -> String {
    mistakes(&format!("{}{more}", SMALL.trim_start()), POLICY)
}

#[test]
fn six_mistakes_are_shown_at_once_each_in_its_place() {
    let config = r#"version = 1
default-stage = "prodution"

[environment]
compose = "ci/compose.yaml"
engine = "docker"

[tiers.unit]
filter = "kind(lib)"
budgt = "30s"
timeout = 60

[tiers.e2e]
services = ["gateway"]

[stages.production]
tiers = ["unit", "e2f"]
"#;
    let problems = load(&sources(config, POLICY)).unwrap_err();
    assert_eq!(problems.len(), 6);
    assert_snapshot!(problems, @r#"
    error: there is no stage `prodution`
     --> ci/tollgate.toml:2:17
      |
    2 | default-stage = "prodution"
      |                 ^^^^^^^^^^^
      |
      = note: stages: production
      = help: did you mean `production`?

    error: `docker` is not a choice for `engine`
     --> ci/tollgate.toml:6:10
      |
    6 | engine = "docker"
      |          ^^^^^^^^
      |
      = note: choices: auto, compose, native

    error: unknown key `budgt` in `[tiers.unit]`
      --> ci/tollgate.toml:10:1
       |
    10 | budgt = "30s"
       | ^^^^^
       |
       = note: known keys: filter, services, budget, test-budget, instrumented, cargo-profile,
               packages, retries, timeout, threads, policy
       = help: did you mean `budget`?

    error: `timeout` is a whole number, and a duration was expected
      --> ci/tollgate.toml:11:11
       |
    11 | timeout = 60
       |           ^^
       |
       = help: a duration has a unit: "60s", "60ms"

    error: `filter` is missing in `[tiers.e2e]`
      --> ci/tollgate.toml:13:8
       |
    13 | [tiers.e2e]
       |        ^^^
       |
       = note: `filter`: nextest filterset of its tests: `binary(integration)`

    error: stage `production` names a tier `e2f`, which does not exist
      --> ci/tollgate.toml:17:18
       |
    17 | tiers = ["unit", "e2f"]
       |                  ^^^^^
       |
       = note: tiers: unit, e2e
       = help: did you mean `e2e`?
    "#);
    assert!(problems.render(true).contains("\u{1b}["), "colours where they are asked for");
}

#[test]
fn values_of_the_wrong_kind_say_what_was_expected() {
    assert_snapshot!(after_small(r#"
        [environment]
        compose = ["ci/compose.yaml"]
        ready-timeout = 1.5
        [tools]
        cargo-nextest = 1
        [tiers.a]
        filter = "x"
        services = "postgres"
        instrumented = "true"
        retries = "2"
        threads = 2020-01-01
        budget = true
        timeout = ""
        [gates]
        flake = true
        [exports]
        A = 3
        "#), @r#"
    9:19 `compose` is a list, and a text was expected
    10:25 `ready-timeout` is a fraction, and a duration was expected
    12:25 `cargo-nextest` is a whole number, and a text or a table was expected
    15:20 `services` is a text, and a list was expected
        help: write `services = ["postgres"]`
    16:24 `instrumented` is a text, and true or false was expected
        help: write `instrumented = true`, without quotes
    17:19 `retries` is a text, and a whole number was expected
        help: write `retries = 2`, without quotes
    18:19 `threads` is a date, and a whole number was expected
    19:18 `budget` is true or false, and a duration was expected
    20:19 `` is not a duration
        help: a duration is a whole number with a unit, above zero: "500ms", "30s", "5m", "1h"
    22:17 `flake` is true or false, and a table was expected
    24:13 `A` is a whole number, and a text was expected
    "#);
}

#[test]
fn only_a_text_that_could_be_meant_is_to_be_written_without_quotes() {
    assert_snapshot!(after_small(r#"
        [tiers.a]
        filter = "x"
        retries = ""
        [gates]
        flake = "on"
        "#), @r"
    10:19 `retries` is a text, and a whole number was expected
    12:17 `flake` is a text, and a table was expected
    ");
}

#[test]
fn values_out_of_bounds_say_what_the_bounds_are() {
    assert_snapshot!(after_small(r#"
        [environment]
        compose = "/etc/compose.yaml"
        ready-timeout = "0s"
        [tools]
        cargo-nextest = "0.9"
        cargo-mutants = { version = "27" }
        [exports]
        database_url = "x"
        B = "${postgres.port}"
        [tiers.Two]
        filter = "x"
        [tiers.b]
        filter = " "
        retries = 11
        threads = 0
        services = ["postgres", "postgres"]
        packages = ["", 3]
        [stages.empty]
        tiers = []
        [gates.load.unit]
        error-rate = 0
        completion = 100
        min-requests = 99999999999999999999
        "#), @r#"
    9:19 `/etc/compose.yaml` is not a path inside the workspace
        help: a path starts at the root of the workspace and is written with `/`: "ci/compose.yaml"
    10:25 `0s` is no time at all
        help: a duration is a whole number with a unit, above zero: "500ms", "30s", "5m", "1h"
    12:25 `0.9` is not an exact version
        help: three numbers, since a range would make two runs use two versions: "0.9.143"
    13:37 `27` is not an exact version
        help: three numbers, since a range would make two runs use two versions: "0.9.143"
    15:9 `database_url` is not the name of an environment variable
        help: A-Z, 0-9 and `_`, no digit first: DATABASE_URL
    16:13 `${postgres.port}` does not say which port of the service is meant
        help: a placeholder is `${service.host}`, `${service.port:5432}` or `${run.id}`
    17:16 `Two` is not a valid name
        help: 1 to 63 of a-z, 0-9, `-` and `_`, a letter or digit first
    20:18 `filter` is empty
    21:19 `retries` is 11, and must be from 0 to 10
    22:19 `threads` is 0, and must be from 1 to 1024
    23:33 `postgres` is in the list twice
    24:21 an element of `packages` is empty
    24:25 an element of `packages` is a whole number, and a text was expected
    26:17 `tiers` is an empty list
    27:21 there are load limits for tier `unit`, which is instrumented
        note: counters slow a program down, so a measurement would not be that of the product
        help: set `instrumented = false` in `[tiers.unit]`
    28:22 `error-rate` is 0, and must be from 1 to 99
    29:22 `completion` is 100, and must be from 1 to 99
    30:24 `min-requests` is 99999999999999999999, and must be from 1 to 4294967295
    "#);
}

#[test]
fn what_must_be_there_and_is_not_is_explained() {
    assert_snapshot!(mistakes("", ""), @r#"
    1:1 `version` is missing at the top of the file
        note: `version`: Version of the form of this file: 1
    1:1 `tiers` is missing at the top of the file
        note: `tiers`: Tiers: classes of tests with their own environment needs, budget and gates
    1:1 `stages` is missing at the top of the file
        note: `stages`: Stages: named choices of tiers
    1:1 `version` is missing at the top of the file
        note: `version`: Version of the form of this file: 1
    "#);
    let empty_tables = "version = 1\ndefault-stage = 'a'\ntiers = {}\n[stages]\na = {}\n";
    assert_snapshot!(mistakes(empty_tables, "[[exclude]]\npackage = 'x'\n"), @r#"
    3:1 there is nothing in `[tiers]`
    5:1 `tiers` is missing in `[stages.a]`
        note: `tiers`: The tiers it runs
    1:1 `version` is missing at the top of the file
        note: `version`: Version of the form of this file: 1
    1:1 `reason` is missing in `[[exclude]]`
        note: `reason`: Why it does not count; it is shown in every report
    "#);
}

#[test]
fn a_slip_of_the_hand_in_a_required_key_is_one_mistake() {
    assert_snapshot!(mistakes("verison = 1\ndefault-stage = 'a'\ntiers.x.filtr = 'x'\nstages.a.tiers = [1, 'y', 'x', 'z']", POLICY), @r#"
    1:1 unknown key `verison` at the top of the file
        note: known keys: version, default-stage, environment, tools, programs, exports, tiers, stages, gates, mutants
        help: did you mean `version`?
    3:9 unknown key `filtr` in `[tiers.x]`
        note: known keys: filter, services, budget, test-budget, instrumented, cargo-profile, packages, retries, timeout, threads, policy
        help: did you mean `filter`?
    4:19 an element of `tiers` is a whole number, and a text was expected
    4:22 stage `a` names a tier `y`, which does not exist
        note: tiers: x
        help: did you mean `x`?
    4:32 stage `a` names a tier `z`, which does not exist
        note: tiers: x
        help: did you mean `x`?
    "#);
}

#[test]
fn a_default_stage_must_exist_also_when_it_is_not_named() {
    let two = SMALL.replace("default-stage = \"dev\"", "") + "[stages.night]\ntiers = [\"unit\"]\n";
    assert_snapshot!(mistakes(&two, POLICY), @r#"
    6:2 there is no stage `production`, which runs where none is asked for
        note: stages: dev, night
        help: name another one with `default-stage = "STAGE"` at the top of the file
    "#);
    assert_snapshot!(mistakes(&SMALL.replace("default-stage = \"dev\"", "default-stage = \"Dev\""), POLICY), @r#"
    3:17 `Dev` is not a valid name
        help: 1 to 63 of a-z, 0-9, `-` and `_`, a letter or digit first
    "#);
}

#[test]
fn names_that_lead_nowhere_are_found() {
    assert_snapshot!(after_small(r#"
        [environment]
        engine = "auto"
        [tiers.integration]
        filter = "x"
        services = ["postgres"]
        [stages.staging]
        tiers = ["intgration", "unit", "load"]
        [gates.load.performace]
        p95 = "1s"
        [gates.load.unit]
        p95 = "1s"
        "#), @r#"
    12:20 tier `integration` needs services, and no file describes them
        help: add `compose = "ci/compose.yaml"` to `[environment]`
    14:18 stage `staging` names a tier `intgration`, which does not exist
        note: tiers: unit, integration
        help: did you mean `integration`?
    14:40 stage `staging` names a tier `load`, which does not exist
        note: tiers: unit, integration
    15:21 there are load limits for a tier `performace`, which does not exist
        note: tiers: unit, integration
    17:21 there are load limits for tier `unit`, which is instrumented
        note: counters slow a program down, so a measurement would not be that of the product
        help: set `instrumented = false` in `[tiers.unit]`
    "#);
}

#[test]
fn tiers_that_share_a_build_must_agree_on_it() {
    assert_snapshot!(after_small(r#"
        [tiers.a]
        filter = "x"
        cargo-profile = "release"
        packages = ["p"]
        [tiers.b]
        filter = "x"
        instrumented = false
        [tiers.c]
        filter = "x"
        instrumented = false
        cargo-profile = "release"
        "#), @r#"
    10:25 tier `a` has the cargo profile `release`, and `unit` has `dev`
        note: all instrumented tiers share one build, and so one profile
    11:9 tier `a` is instrumented, and is built for some packages only
        note: coverage is measured over every member, so the instrumented build holds the whole workspace
        help: remove `packages`, or set `instrumented = false`
    18:25 tier `c` has the cargo profile `release`, and `b` has `performance`
        note: all uninstrumented tiers share one build, and so one profile
    "#);
}

#[test]
fn times_are_compared_of_a_tier_that_only_computes() {
    let bench = |more: &str| {
        let tiers = "[environment]\ncompose = \"c.yaml\"\n[tiers.bench]\nfilter = \"binary(bench)\"\n";
        after_small(&format!("{tiers}{more}"))
    };
    let gate = "[gates.regression]\ntier = \"bench\"\n";
    let plain = "instrumented = false\n";
    assert_snapshot!(bench(gate), @"
    12:8 times are to be compared of tier `bench`, which is instrumented
        note: counters slow a program down, so a measurement would not be that of the product
        help: set `instrumented = false` in `[tiers.bench]`
    ");
    assert_snapshot!(bench(&format!("{plain}services = [\"db\"]\n{gate}")), @"
    14:8 times are to be compared of tier `bench`, which needs services
        note: the services of both sides would be up at once, and their time would be measured with the tests'
        help: put the tests that only compute into a tier of their own
    ");
    assert_snapshot!(bench(&format!("{plain}[gates.load.bench]\n{gate}")), @"
    14:8 times are to be compared of tier `bench`, which has load limits
        note: a load keeps its pace, so it takes as long as ever whatever the code does
        help: put the tests that only compute into a tier of their own
    ");
    assert_snapshot!(bench(&format!("{plain}{}", gate.replace("\"bench", "\"banch"))), @"
    13:8 times are to be compared of tier `banch`, which does not exist
        note: tiers: unit, bench
        help: did you mean `bench`?
    ");
    assert_snapshot!(bench(&format!("{plain}{gate}limit = 0\npairs = 9\nbudget = 5\n")), @r#"
    14:9 `limit` is 0, and must be from 1 to 1000
    15:9 `pairs` is 9, and must be from 10 to 1000
    16:10 `budget` is a whole number, and a duration was expected
        help: a duration has a unit: "5s", "5ms"
    "#);
    assert_snapshot!(bench(&format!("{plain}[gates.regression]\nlimit = 5\n")), @"
    12:8 `tier` is missing in `[gates.regression]`
        note: `tier`: The tier; it is not instrumented, since counters have a time of their own, and needs no service
    ");
}

#[test]
fn exclusions_name_one_thing_once_and_say_why() {
    let policy = r#"
version = 2
floor = 101
[[exclude]]
package = "x"
path = "y"
reason = "r"
[[exclude]]
reason = "r"
[[exclude]]
package = "x"
reason = ""
[[exclude]]
package = "x"
reason = "again"
[[exclude]]
path = "../outside"
reason = "a path that is refused is not missing as well"
"#;
    assert_snapshot!(mistakes(SMALL, policy), @r#"
    2:11 `version` is 2, and this version of tollgate reads 1
    3:9 `floor` is 101, and must be from 0 to 100
    4:1 this exclusion names both a package and a path
        help: write `package = "NAME"` or `path = "GLOB"`; a second one is a table of its own
    8:1 this exclusion names neither a package nor a path
        help: write `package = "NAME"` or `path = "GLOB"`; a second one is a table of its own
    12:10 `reason` is empty
    13:1 `x` is excluded twice
    17:8 `../outside` is not a path inside the workspace
        help: a path starts at the root of the workspace and is written with `/`: "ci/compose.yaml"
    "#);
}

#[test]
fn text_that_is_no_toml_shows_all_its_syntax_errors_and_the_other_file_is_still_checked() {
    assert_snapshot!(mistakes("version = \n[tiers.unit\nversion = 1\nversion = 2\n", "flor = 1\nversion = 1"), @"
    1:11 string values must be quoted, expected literal string
    2:12 unclosed table, expected `]`
    4:1 duplicate key
    1:1 unknown key `flor` at the top of the file
        note: known keys: version, floor, floors, patch, exclude
        help: did you mean `floor`?
    ");
}

#[test]
fn a_mistake_between_letters_of_several_bytes_has_its_column_in_characters() {
    let problems = load(&sources("\"ünïcode\" = 1 # é\nversion = 1\ndefault-stage = \"é\"", POLICY)).unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| (problem.line, problem.column)).collect();
    assert_eq!(places, [(1, 1), (1, 1), (1, 1), (3, 17)]);
    assert!(problems.to_string().contains("ünïcode"));
}

#[test]
fn a_long_note_is_broken_into_lines() {
    let longest = after_small_rendered("[tiers.x]\nfilter = 'x'\ncolour = 1\n").lines().map(str::len).max();
    assert!(longest.unwrap() <= 100, "{longest:?}");
}

fn after_small_rendered(more: &str) -> String {
    load(&sources(&format!("{SMALL}{more}"), POLICY)).unwrap_err().to_string()
}
