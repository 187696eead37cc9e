//! What each gate asks for, in words: for `explain` and for docs/gates.md.

/// The rule of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name; `<...>` stands for a tier or a measurement.
    pub gate: &'static str,
    /// When it is which outcome.
    pub text: &'static str,
}

/// The rules, in the order in which gates are reported; of a name and a form that fits it, the name comes first.
pub const RULES: [Rule; 34] = [
    Rule {
        gate: "shards.receipts",
        text: "Invalid unless every shard of the plan left a receipt of this plan, commit and toolchain, and all ran in one engine.",
    },
    Rule {
        gate: "evidence",
        text: "In every verdict: what it rests on. Invalid where a tier needed services and there was no environment, where of a service nobody knows which image or program ran, and where, with a base, what differs from it or whether a run of it is recorded is not known; unproven where only one part of the tests ran; warned where, with a base, no run of the base or of one of the 20 commits before it is recorded. Its value is the digest of the environment: engine, images, programs and their versions. Whether all shards are there `shards.receipts` says.",
    },
    Rule { gate: "run.ending", text: "Only there, and invalid, where the run was not completed." },
    Rule {
        gate: "run.reach",
        text: "Only there, and unproven, where packages were left out since the change can't reach them. Of coverage the lines of the change alone are judged then.",
    },
    Rule {
        gate: "tests.reported",
        text: "Invalid unless every planned test is reported exactly once and no other is.",
    },
    Rule {
        gate: "tests.count",
        text: "Only where a recorded run of the base is compared with: warned where fewer tests ran than ran there without those whose functions the change takes away; failed below 80 % of those that ran there.",
    },
    Rule {
        gate: "tests.<tier>",
        text: "Failed where a test failed in every attempt; invalid where a planned test left no result or the tier has none; unproven where the tier was not asked for. With `policy = \"bands\"`: passed (green) where 10 × passed > 9 × executed tests, failed (red) where 10 × passed < 8 × executed, else warned (yellow); invalid where none was executed.",
    },
    Rule {
        gate: "flake.run",
        text: "Failed, or warned where `[gates.flake] fail = false`, where a test failed in one attempt and passed in another; a round of a load that is measured again is an attempt. Warned too where `flake.pr` has executed each of them again, and says whose they are.",
    },
    Rule {
        gate: "flake.pr",
        text: "With a base, unless `[gates.flake.pr] enabled = false`: once all tests passed, each test that failed and then passed is executed 20 times on the change and 20 times on a checkout of the base, in turns of ten, every second time beside burners, two for each core. Failed where the change fails more often (Fisher's exact test, one-sided, p < 1 %) or the base has no such test; warned where it fails on the base too; unproven where neither is shown, where the time was up, where a test failed in the first place, and where only two attempts at a shard together show the flake; invalid where the base can't be built or run, or fails every time and the change does not. Tests of load are not executed again, and a flake of theirs is unproven.",
    },
    Rule {
        gate: "flake.new",
        text: "With a base, unless `[gates.flake.new] enabled = false`: tests that the change adds (no recorded run of the base has them, in whichever tier or stage, or every line of their function is new) or alters (a line of their function is) are executed again once all tests passed, N = budget / number of them / duration times, at least 10 and at most 50, every second time beside burners, two for each core. Failed where one fails; unproven where the time was up before all N were made, a test that is not quarantined failed in the first place (in a tier with bands: one of these tests; the others are stressed), a touched file can't be parsed, or only quarantined ones were there to fail. Tests of load are left out: what they measure is judged.",
    },
    Rule {
        gate: "flake.repo",
        text: "Only on the main branch, over its recorded runs: failed where the anytime-valid detector has raised its alarm that more than 1 % of them are flaky; passed where P(X ≤ k | n, 1 %) < 5 % over the newest 500; else unproven, as where a record can't be read and there is no alarm without it.",
    },
    Rule {
        gate: "quarantine",
        text: "Only where a test is quarantined: failed where an entry has expired or begins on a day to come, or there are more than 5 tests and 1 % of all; warned where a test that is named does not exist.",
    },
    Rule {
        gate: "coverage.floor",
        text: "Failed where 100 × covered < floor × coverable production lines, all tiers united; warned where the base was below the floor already and the change has neither fewer covered nor more uncovered lines.",
    },
    Rule {
        gate: "coverage.crates",
        text: "Failed where a crate is below its floor: that of `[floors]`, else the lower of the workspace's floor and what the crate had in the base; warned where it was below a floor of `[floors]` before and is not worse.",
    },
    Rule {
        gate: "coverage.patch",
        text: "With a base: failed where fewer than `patch` percent of the coverable lines that the change adds are covered, and more than two are not. Lines that it only moved are not among them where `coverage.lost` asks for them.",
    },
    Rule {
        gate: "coverage.lost",
        text: "With a base: of the lines that the change left alone or only moved, that tests reached before and that don't flip between runs of one tree, some are no longer reached. Warned from one on, failed above 10 or 0.1 % of all lines, whichever is more; warned where no baseline is recorded, and where a file with such lines is not measured any more.",
    },
    Rule {
        gate: "coverage.denominator",
        text: "Invalid unless every member of the workspace is measured, or excluded with a reason.",
    },
    Rule {
        gate: "coverage.proof",
        text: "Invalid where a process may have run uncounted: a service without counters, a test program without a profile, an empty profile, a complaint of llvm.",
    },
    Rule {
        gate: "time.suite",
        text: "Failed where running the tests of all tiers took longer than the budget, and still does with each tier's time as in `time.<tier>`, that of the instrumented build where the tier is instrumented; building and listing don't count.",
    },
    Rule {
        gate: "time.tests",
        text: "Only where a tier has a `test-budget`, or a test passed in 5 of the newest 20 recorded runs (of the main branch; on a machine that is none of the continuous integration's, of such machines): warned where a test took longer than its tier's `test-budget`, or is newly slow: a quarter and 5 s longer than its median in those runs. What other programs took of the machine is left out as in `time.<tier>`, and of an instrumented tier the time is that of the instrumented build. Unproven where no test ran. Nothing of it blocks.",
    },
    Rule {
        gate: "time.<tier>",
        text: "Failed where running the tier's tests took longer than its budget, and still does without what other programs took of the machine; warned where only the wall time is over it. Only the CPU-bound part of the time is corrected, by the machine's speed while the tier ran, other programs' share of its work, and the CPU pressure; time that tests sleep or wait for something else never is, as long as each works in one thread, and a tier is never excused below its longest test. Building and listing don't count. Where the tier is instrumented, the time is that of the instrumented build; `instrumented = false` measures without counters.",
    },
    Rule {
        gate: "perf.p95.<name>",
        text: "The limit is that fewer than 5 % of the requests, from their intended start, are slower than `p95` or never answered. Failed where P(X ≥ k | n, 5 %) < 5 %, passed where P(X ≤ k | n, 5 %) < 5 %, else unproven; invalid below `min-requests`, and unproven in place of passed where `perf.completion.<name>` fails, since requests were never made then. While one of the three rates of a load is unproven and none has failed, its tests are run again, three times in all at most and while another round fits into the budgets of tier and suite, and all that they measured is judged together; the rounds are attempts of these tests and of their tier's time; looking up to three times, a rate that is exactly at its limit is decided by chance in up to 15 % of the cases in place of 5 %.",
    },
    Rule { gate: "perf.error.<name>", text: "The same test with failed and unanswered requests against `error-rate`." },
    Rule {
        gate: "perf.completion.<name>",
        text: "The same test with sessions that were not completed against 100 % - `completion`; invalid below 10 sessions.",
    },
    Rule {
        gate: "perf.regression",
        text: "With a base, where `[gates.regression]` names a tier: once all tests passed, the tier's tests are executed on a checkout of the base and on the change in turns, each pair one right after the other with nothing beside it, in alternating order; the first pair does not count. Judged is the median of head / base, by the interval of its order statistics (that of the sign test, which is exact whatever the distribution): failed where all of it is above the limit, passed where none of it is, else unproven, with about how many pairs would decide. It is looked at after an eighth, a quarter, a half and all of the pairs, and measuring stops where a look decides; the intervals are so wide that, all looks at all tests together, one in a hundred gates errs at most (Bonferroni). A test that the base's tier does not have is named and not compared; unproven where nothing is left to compare, one fails on the base, the tier is built in another way there, or a test failed in the first place; invalid where the base can't be built or run, where a test fails when it is executed again on the change alone (unproven where it is quarantined or its tier has bands), and where there were not pairs enough for an interval.",
    },
    Rule {
        gate: "perf.<tier>",
        text: "Only there, and invalid or unproven, where a tier with load limits left no measurement.",
    },
    Rule {
        gate: "environment.services",
        text: "Failed where a service died or never became ready; invalid where one was not started or is not known.",
    },
    Rule { gate: "environment.teardown", text: "Failed where something of the environment did not go by itself." },
    Rule {
        gate: "mutation.diff",
        text: "Warned where tests don't notice a mutant of the change; failed above `max-missed-in-diff`; unproven where the time was up.",
    },
    Rule {
        gate: "mutation.shards",
        text: "Only where parts are united: invalid unless every part of one run is there exactly once.",
    },
    Rule {
        gate: "mutation.score",
        text: "Advice: passed from 80 % on, else warned; unproven where no mutant could be judged, and where the score is good and the time was up before all had been tried.",
    },
    Rule {
        gate: "mutation.survivors",
        text: "Warned, or failed with `ratchet = true`, where a survivor is not in the stored set `ci/survivors.json`; with `ratchet = true` unproven where there is no such set. Unproven where the time was up and no new one blocks.",
    },
    Rule {
        gate: "mutation.floors",
        text: "Only of a whole with `[gates.mutation.floors]`: failed where tests notice less of the mutants below a path, even if they noticed all that were not tried; unproven where those decide it, and where no mutant is there. With `--package`, floors of paths that other packages have files below are named and not judged.",
    },
    Rule {
        gate: "mutation.skipped",
        text: "Only there, and warned, where no reason is given for a `mutants::skip`, or for a `no-mutants`, which then does nothing.",
    },
];

/// The rule of the gate with this name.
pub fn rule(gate: &str) -> Option<&'static Rule> {
    let fits = |pattern: &str| match pattern.split_once('<') {
        Some((start, _)) => gate.strip_prefix(start).is_some_and(|rest| !rest.is_empty()),
        None => gate == pattern,
    };
    RULES.iter().find(|rule| fits(rule.gate))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::{judge, sample};
    use tollgate_model::Ending;

    #[test]
    fn every_gate_of_a_run_has_its_rule() {
        let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
        plan.base = Some("main".into());
        plan.policy.coverage.as_mut().unwrap().floors.insert("core".into(), 70);
        evidence.ending = Ending::Interrupted { signal: "SIGINT".into() };
        let verdict = judge(&evidence, &plan);
        let without: Vec<&str> =
            verdict.gates.iter().map(|g| g.gate.as_str()).filter(|name| rule(name).is_none()).collect();
        assert_eq!(without, Vec::<&str>::new());
        assert_eq!(rule("tests.reported").map(|rule| rule.gate), Some("tests.reported"));
        assert_eq!(rule("tests.e2e").map(|rule| rule.gate), Some("tests.<tier>"));
        assert_eq!(rule("perf.p95.chat").map(|rule| rule.gate), Some("perf.p95.<name>"));
        assert_eq!(rule("tests.reported-late").map(|rule| rule.gate), Some("tests.<tier>"), "a tier may be called so");
        assert_eq!(rule("perf.regression").map(|rule| rule.gate), Some("perf.regression"));
        assert_eq!((rule("tests."), rule("test")), (None, None));
    }
}
