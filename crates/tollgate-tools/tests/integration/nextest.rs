//! Building, listing and running.

use crate::sample::{Sample, instrumented, plain};
use camino::Utf8Path;
use std::fs;
use std::time::{Duration, Instant};
use tollgate_exec::ExecError;
use tollgate_model::{AttemptOutcome, Partition, TestId, TestOutcome};
use tollgate_tools::nextest::{self, LiveEvent, Membership, TierRun};
use tollgate_tools::{ToolError, coverage};

#[test]
fn tests_are_listed_in_the_light_of_a_filterset() {
    let sample = Sample::new();
    let built = sample.build(&plain(&[]), &["server"]).expect("it compiles");
    let list = |filter, partition| nextest::list(&sample.toolbox, &built, filter, partition);
    let count = |listing: &nextest::Listing, of| listing.with(of).count();

    let all = list("all()", None).expect("nextest lists");
    assert_eq!((count(&all, Membership::Matched), count(&all, Membership::Ignored)), (9, 1));
    assert!(all.unlisted_binaries.is_empty(), "everything can match");

    let integration = list("binary(integration)", None).expect("nextest lists");
    assert_eq!(count(&integration, Membership::Matched), 5);
    assert_eq!(integration.unlisted_binaries, ["greeter", "server::bin/server", "server::e2e", "stamp"]);

    let part = |index| list("all()", Some(Partition { index, count: 2 })).expect("nextest lists");
    let (first, second) = (part(1), part(2));
    assert_eq!((count(&first, Membership::Matched), count(&second, Membership::Matched)), (5, 4));
    assert!(first.with(Membership::Matched).all(|id| second.tests[id] == Membership::OtherPartition));

    for (filter, message) in
        [("binary(nothing)", "no binary names matched this"), ("test(", "expected close parenthesis")]
    {
        let error = list(filter, None).unwrap_err();
        let ToolError::BadFilter { filter: refused, message: said } = &error else { panic!("{error:?}") };
        assert!(refused == filter && said.contains(message), "{error}");
    }
}

#[test]
fn a_tier_is_run_to_its_end_with_every_attempt_on_record() {
    use AttemptOutcome::{Failed, Passed, TimedOut};
    let sample = Sample::new();
    let built = sample.build(&plain(&[]), &[]).expect("it compiles");
    let mut tier = sample.tier("switches", "package(greeter)");
    tier.retries = 2;
    tier.timeout_ms = 500;
    tier.threads = Some(2);
    let state = sample.out.join("state").into_string();
    let switches =
        [("SAMPLE_FLAKY", state.as_str()), ("SAMPLE_FAIL", "1"), ("SAMPLE_SLOW", "1"), ("SAMPLE_OWN_RETRY", "1")];
    tier.env.extend(switches.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let (mut finished, mut lines) = (Vec::new(), 0);
    let output = nextest::run(&sample.toolbox, &built, &tier, &mut |event| match event {
        LiveEvent::TestFinished { id, outcome, .. } => finished.push((id, outcome)),
        LiveEvent::Line(_) => lines += 1,
    })
    .expect("nextest runs");

    let outcome = |name: &str| {
        let result = output.results.iter().find(|result| result.id.name == name).expect("it was run");
        (result.outcome(), result.attempts.len(), result.attempts[0].outcome)
    };
    assert_eq!(outcome("unit::a_name_is_greeted"), (TestOutcome::Passed, 1, Passed));
    assert_eq!(outcome("passes_when_it_is_tried_again"), (TestOutcome::Flaky, 2, Failed));
    assert_eq!(outcome("fails_when_it_is_told_to"), (TestOutcome::Failed, 3, Failed));
    assert_eq!(outcome("sleeps_when_it_is_told_to"), (TestOutcome::Failed, 3, TimedOut));
    // .config/nextest.toml gives it one retry; the tier's two don't overrule that.
    assert_eq!(outcome("has_a_retry_of_its_own"), (TestOutcome::Flaky, 2, Failed));
    assert_eq!(output.results.len(), 8);
    assert!(output.wall_ms >= 1500, "three attempts of 500 ms: {}", output.wall_ms);

    let mut expected: Vec<_> = output.results.iter().map(|result| (result.id.clone(), result.outcome())).collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    finished.sort_by(|a: &(TestId, _), b| a.0.cmp(&b.0));
    assert_eq!(finished, expected, "live lines tell what JUnit tells");
    assert!(lines > 5);

    let failed = output.results.iter().find(|result| result.id.name.starts_with("fails")).expect("it was run");
    assert!(
        failed.attempts[0]
            .message
            .ends_with("the greeting differs; left: Some(\"hello a\"); right: Some(\"goodbye a\")")
    );
    assert!(failed.attempts[0].output.contains("\nred on standard output\n"), "escapes are stripped");
    assert!(failed.attempts[0].output.contains("\nwords on standard error\n"));

    assert_eq!(output.junit, tier.directory.join("junit.xml"));
    assert!(output.junit.is_file());
    assert!(!sample.root.join("target/nextest").exists(), "nothing is left in the target directory");

    let mut ordered = TierRun { threads: Some(1), ..sample.tier("ordered", "package(greeter)") };
    let order = |tier: &TierRun| {
        let mut order = Vec::new();
        let on_event = &mut |event| {
            if let LiveEvent::TestFinished { id, .. } = event {
                order.push(id);
            }
        };
        nextest::run(&sample.toolbox, &built, tier, on_event).expect("nextest runs");
        order
    };
    let usual = order(&ordered);
    ordered.first = vec![usual[3].clone(), usual[2].clone()];
    assert_eq!(order(&ordered)[..4], [3, 2, 0, 1].map(|place: usize| usual[place].clone()));
}

#[test]
fn a_tier_without_tests_and_one_that_is_misnamed_are_told_apart() {
    let sample = Sample::new();
    let built = sample.build(&plain(&["stamp"]), &[]).expect("it compiles");
    assert!(sample.run(&built, &sample.tier("empty", "none()")).is_empty());
    // The workspace has such a binary, though this build has not.
    assert!(sample.run(&built, &sample.tier("elsewhere", "binary(integration)")).is_empty());
    let misnamed = nextest::run(&sample.toolbox, &built, &sample.tier("bad", "binary(nothing)"), &mut |_| ());
    assert!(matches!(misnamed, Err(ToolError::BadFilter { .. })), "{misnamed:?}");
    let mut broken = sample.tier("broken", "all()");
    // No tests at once is nothing that nextest accepts.
    broken.threads = Some(0);
    let error = nextest::run(&sample.toolbox, &built, &broken, &mut |_| ()).unwrap_err();
    assert!(matches!(error, ToolError::Tool { .. }), "{error:?}");
    assert!(error.to_string().contains("nextest.toml"), "{error}");
}

/// Runs a tier with a test that only a signal ends, and interrupts it when all others have ended, this often.
fn interrupted(interrupts: u32) -> (Sample, TierRun) {
    let sample = Sample::new();
    let built = sample.build(&plain(&["greeter"]), &[]).expect("it compiles");
    let mut tier = sample.tier("slow", "binary(integration)");
    tier.env.push(("SAMPLE_SLOW".to_owned(), "1".to_owned()));
    let start = Instant::now();
    let mut left = 4;
    let stopped = nextest::run(&sample.toolbox, &built, &tier, &mut |event| {
        let finished = matches!(event, LiveEvent::TestFinished { .. });
        left -= i32::from(finished);
        if finished && left == 0 {
            (0..interrupts).for_each(|_| sample.toolbox.interrupt.trigger(15));
        }
    });
    assert!(matches!(stopped, Err(ToolError::Exec(ExecError::Interrupted { signal: 15, .. }))), "{stopped:?}");
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(running(&sample.root), Vec::<String>::new());
    (sample, tier)
}

#[test]
fn an_interrupt_stops_the_tests_of_a_tier_and_keeps_what_had_ended() {
    let (_sample, tier) = interrupted(1);
    let partial = nextest::partial(&tier).expect("nextest writes what it has");
    assert!(partial.results.len() >= 4, "{partial:?}");
}

#[test]
fn a_second_interrupt_kills_nextest_and_the_tests_that_it_leaves() {
    let (_sample, tier) = interrupted(2);
    // Where nextest ended before it was killed, it has written what it had.
    assert!(nextest::partial(&tier).is_none_or(|partial| partial.results.len() >= 4));
}

/// Command lines of the processes whose program is below a directory.
fn running(directory: &Utf8Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
    let lines = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    lines.filter(|line| line.starts_with(directory.as_str())).collect()
}

#[test]
fn a_binary_that_the_tests_did_not_bring_along_is_built_too() {
    let sample = Sample::new();
    let mut lines = Vec::new();
    let names = ["idle".to_owned()];
    let on_line = &mut |line: &str| lines.push(line.to_owned());
    let built =
        nextest::build(&sample.toolbox, &plain(&["greeter"]), &sample.out, &names, on_line).expect("it compiles");
    assert!(lines.iter().any(|line| line.contains("Compiling greeter")), "{lines:?}");
    assert_eq!(built.test_binaries.keys().collect::<Vec<_>>(), ["greeter", "greeter::integration"]);

    let services = sample.out.join("services");
    nextest::copy_binaries(&built, &names, &services).expect("it is there");
    nextest::copy_binaries(&built, &names, &services).expect("it may be there already");
    assert!(!coverage::instrumented(&services.join("idle")).expect("a program"));
    let error = nextest::copy_binaries(&built, &["server".to_owned()], &services).unwrap_err();
    assert_eq!(error.to_string(), "the workspace has no binary `server`; it has: idle");

    let unknown = sample.build(&plain(&["stamp"]), &["nobody"]).unwrap_err();
    assert_eq!(unknown.to_string(), "the workspace has no binary `nobody`; it has: idle, server");
}

#[test]
fn a_build_that_was_packed_up_is_run_where_it_was_not_made() {
    let made = Sample::new();
    let example = made.root.join("greeter/examples/show.rs");
    fs::create_dir(example.parent().expect("a directory")).expect("it can be created");
    fs::write(&example, "fn main() {}\n").expect("it can be written");
    let names = ["idle", "server"];
    let built = made.build(&instrumented(), &names).expect("it compiles");
    let file = made.out.join("pack/tests.tar.zst");
    let archive = nextest::archive(&made.toolbox, &instrumented(), &built, &file, &mut |_| ()).expect("nextest packs");
    assert_eq!(archive.programs, names);
    assert_eq!(nextest::digest(&file).expect("it is there"), (archive.digest.clone(), archive.bytes));

    let here = Sample::new();
    fs::remove_dir_all(&made.root).expect("it was a copy");
    let target = here.root.join("target");
    let unpack =
        |directory: &str| nextest::unpack(&here.toolbox, &file, &archive, Some(&target), &here.out.join(directory));
    let unpacked = unpack("unpacked").expect("nextest unpacks");
    assert_eq!(unpacked.test_binaries.keys().collect::<Vec<_>>(), built.test_binaries.keys().collect::<Vec<_>>());
    for object in unpacked.binaries.values().chain([&target.join("debug/idle")]) {
        assert!(coverage::instrumented(object).expect("a program"), "{object}");
    }
    assert!(unpacked.target_directory.join("debug/examples/show").is_file(), "tests look for it beside themselves");
    let mut tier = here.tier("greeter", "package(greeter)");
    let pattern = here.out.join("profiles/%m%c.profraw").into_string();
    tier.env.push(("LLVM_PROFILE_FILE".to_owned(), pattern));
    let results = here.run(&unpacked, &tier);
    assert_eq!(results.iter().filter(|test| test.outcome() == TestOutcome::Passed).count(), 8, "{results:?}");
    let listing = nextest::list(&here.toolbox, &unpacked, "all()", None).expect("nextest lists");
    assert_eq!(listing.with(Membership::Matched).count(), 9);
    assert!(coverage::raw_profiles(&here.out.join("profiles")).expect("a directory").count() > 0);
    assert!(!target.join("nextest").exists() && here.files(".profraw").is_empty(), "nothing is left in the workspace");

    fs::write(&file, "no archive").expect("it can be written");
    assert!(matches!(unpack("again"), Err(ToolError::Tool { .. })));
}

#[test]
fn another_profile_is_built_in_its_own_directory() {
    let sample = Sample::new();
    let mut plan = plain(&["server"]);
    plan.cargo_profile = "performance".to_owned();
    let built = sample.build(&plan, &["server"]).expect("it compiles");
    let directory = sample.root.join("target/performance");
    assert!(built.test_binaries.values().all(|path| path.starts_with(&directory)));
    assert!(directory.join("server").is_file() && !sample.root.join("target/debug/server").exists());
    assert_eq!(sample.run(&built, &sample.tier("e2e", "binary(e2e)"))[0].outcome(), TestOutcome::Passed);
}

#[test]
fn code_that_does_not_compile_is_shown_with_the_compilers_words() {
    let sample = Sample::new();
    let file = sample.root.join("greeter/src/lib.rs");
    let source = fs::read_to_string(&file).expect("it is there");
    fs::write(&file, format!("{source}\nfn number() -> u32 {{ \"one\" }}\n")).expect("it can be written");
    let error = sample.build(&plain(&[]), &[]).unwrap_err();
    let ToolError::BuildFailed { argv, tail } = &error else { panic!("{error:?}") };
    assert!(argv.contains("nextest list"), "{argv}");
    assert!(tail.starts_with("error[E0308]: mismatched types") && !tail.contains("Compiling"), "{tail}");
}
