//! What a gate says in numbers, beside its message: counts, limits, intervals, what it was compared with.

use super::examples::{EXAMPLES, said};
use crate::judge::{judge, sample};
use std::fmt::Display;
use tollgate_model::GateResult;

/// Everything of a gate that is neither message nor remedy, in one line.
fn numbers(gate: &GateResult) -> String {
    let said = |name: &str, value: Option<&dyn Display>| value.map(|value| format!("{name} {value}"));
    let bound = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.5}"));
    let GateResult { gate: name, outcome, k, n, value, limit, lo, hi, margin, blame, baseline, more_needed, .. } = gate;
    let all = [
        said("k", k.as_ref().map(|k| k as _)),
        said("n", n.as_ref().map(|n| n as _)),
        said("value", value.as_ref().map(|value| value as _)),
        said("limit", limit.as_ref().map(|limit| limit as _)),
        bound("lo", *lo),
        bound("hi", *hi),
        said("more", more_needed.as_ref().map(|more| more as _)),
        said("margin", margin.as_ref().map(|margin| margin as _)),
        blame.as_ref().map(|blame| format!("{blame:?}")),
        baseline.as_ref().map(|baseline| format!("{baseline:?}")),
        (!gate.evidence.is_empty()).then(|| format!("evidence {}", gate.evidence.join(" / "))),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    format!("{name} {outcome}: {}", if all.is_empty() { "no numbers".to_owned() } else { all.join("; ") })
}

#[test]
fn a_good_run_has_its_numbers() {
    let verdict = judge(&sample::evidence(), &sample::plan());
    let lines: Vec<String> = verdict.gates.iter().map(numbers).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    evidence passed: value 7f10fa13ac32
    tests.unit passed: k 0; n 3; value 0 failed; limit 0 failed
    tests.integration passed: k 0; n 2; value 0 failed; limit 0 failed
    tests.e2e passed: k 0; n 1; value 0 failed; limit 0 failed
    tests.performance passed: k 0; n 1; value 0 failed; limit 0 failed
    tests.reported passed: k 0; n 7
    flake.run passed: k 0; n 7; value 0 flaky; limit 0 flaky
    coverage.floor passed: k 17; n 20; value 85.0 %; limit 80 %; margin 1 covered line to spare
    coverage.denominator passed: k 2; n 3; value 2 measured; evidence harness is excluded: only tests use it
    coverage.proof passed: k 0
    time.unit passed: value 121 ms; limit 30 s; margin 29.9 s to spare
    time.integration passed: value 2.1 s; limit 120 s; margin 117.9 s to spare
    time.e2e passed: value 4.3 s; limit 120 s; margin 115.7 s to spare
    time.performance passed: value 20.1 s; limit 120 s; margin 99.9 s to spare
    time.suite passed: value 26.7 s; limit 300 s; margin 273.4 s to spare
    perf.p95.chat passed: k 0; n 1500; value 32.2 ms; limit 3 s; lo 0.00000; hi 0.00200; margin 61 bad requests more would leave it unproven
    perf.error.chat passed: k 0; n 1500; value 0.0 %; limit 5 %; lo 0.00000; hi 0.00200; margin 61 bad requests more would leave it unproven
    perf.completion.chat passed: k 0; n 50; value 100.0 %; limit 80 %; lo 0.00000; hi 0.05816; margin 6 bad sessions more would leave it unproven
    environment.services passed: k 0; n 2
    environment.teardown passed: k 0
    ");
}

#[test]
fn every_example_has_its_numbers() {
    let lines: Vec<String> = EXAMPLES.iter().map(|(_, gate, change)| numbers(&said(gate, *change))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    evidence passed: value 7f10fa13ac32
    evidence passed: value 7f10fa13ac32; Baseline { tree: "99aa00bb11cc22dd33ee", age: 3 }
    evidence warned: value 7f10fa13ac32
    evidence invalid: value 7f10fa13ac32
    evidence invalid: value 0951e9e10cb3
    evidence unproven: value 7f10fa13ac32
    run.ending invalid: no numbers
    tests.reported passed: k 0; n 7
    tests.reported invalid: k 1; n 7; evidence not reported: identity::integration login::expires
    tests.count warned: k 7; n 8; value 7 tests; limit 8 tests; margin 1 test too few; Change; Baseline { tree: "99aa00bb11cc22dd33ee", age: 0 }
    tests.unit passed: k 0; n 3; value 0 failed; limit 0 failed
    tests.unit failed: k 1; n 3; value 1 failed; limit 0 failed; evidence core a::adds
    tests.e2e invalid: n 0
    tests.unit passed: k 1; n 12; value 91.6 % passed; limit 80 %; margin 1 failed test more would make it yellow; evidence core a::case_01
    tests.unit warned: k 4; n 40; value 90.0 % passed; limit 80 %; margin 5 failed tests more would make it red; evidence core a::case_01 / core a::case_02 / core a::case_03 / core a::case_04
    flake.run failed: k 1; n 7; value 1 flaky; limit 0 flaky; evidence core a::adds
    flake.pr failed: k 1; n 1; value 9 of 20 times here and 0 of 20 times on a checkout; limit p < 0.01; Change; evidence core a::adds here plain 2/10, stressed 7/10; base plain 0/10, stressed 0/10: no reply within 25ms
    flake.pr warned: k 0; n 1; value 5 of 20 times here and 3 of 20 times on a checkout; limit p < 0.01; Existing; evidence core a::adds here plain 0/10, stressed 5/10; base plain 0/10, stressed 3/10: no reply within 25ms
    flake.pr unproven: k 0; n 1; value 3 of 20 times here and 0 of 20 times on a checkout; limit p < 0.01; more 27; Unknown; evidence core a::adds here plain 0/10, stressed 3/10; base plain 0/10, stressed 0/10: no reply within 25ms
    flake.pr unproven: k 0; n 1; value 0 of 20 times here and 0 of 20 times on a checkout; limit p < 0.01; Unknown; evidence core a::adds here plain 0/10, stressed 0/10; base plain 0/10, stressed 0/10: no reply within 25ms
    flake.pr failed: k 1; n 1; limit p < 0.01; Change; evidence core a::adds here plain 0/0, stressed 0/0; base no such test: no reply within 25ms
    flake.pr invalid: k 0; n 1; limit p < 0.01; more 40; Unknown; evidence core a::adds here plain 0/0, stressed 0/0; base plain 0/0, stressed 0/0: no reply within 25ms
    flake.new failed: k 3; n 50; value 1 failed; limit 0 failed; Change; evidence pay tests::retry_backs_off (added at crates/pay/src/lib.rs:41): plain 0/25, stressed 3/25 of 50 executions wanted: no reply within 25ms
    flake.new passed: k 0; n 20; value 0 failed; limit 0 failed; evidence pay tests::retry_backs_off (changed at crates/pay/src/lib.rs:41): plain 0/10, stressed 0/10 of 20 executions wanted
    flake.new unproven: k 0; n 7; value 0 failed; limit 0 failed; more 13; evidence pay tests::retry_backs_off (changed at crates/pay/src/lib.rs:41): plain 0/4, stressed 0/3 of 20 executions wanted
    flake.new passed: n 0
    flake.new unproven: no numbers
    coverage.floor passed: k 17; n 20; value 85.0 %; limit 80 %; margin 1 covered line to spare
    coverage.floor failed: k 14; n 20; value 70.0 %; limit 80 %; margin 2 covered lines short; evidence crates/identity/src/main.rs:2-4, 10 / crates/core/src/lib.rs:9-10
    coverage.floor warned: k 17; n 20; value 85.0 %; limit 90 %; margin 1 covered line short; Existing; Baseline { tree: "99aa00bb11cc22dd33ee", age: 0 }
    coverage.floor invalid: k 17; n 20; value 85.0 %; limit 80 %
    flake.repo unproven: k 2; n 412; value 0.49 %; limit 1 %; lo 0.00086; hi 0.01520; more 216; margin the detector is at 40.1, its alarm at 1000; evidence run 20261121-093055-4711: core a::adds / run 20261121-093055-4711: core a::adds
    flake.repo failed: k 0; n 500; value 0.00 %; limit 1 %; lo 0.00000; hi 0.00597; margin mending or quarantining the flaky tests takes the alarm back; clean runs don't; evidence run 20261121-093055-4711: core a::adds / run 20261121-093055-4711: core a::adds / run 20261121-093055-4711: core a::adds
    flake.repo unproven: k 0; n 400; value 0.00 %; limit 1 %; lo 0.00000; hi 0.00746; margin the detector is at 36.6, its alarm at 1000; evidence not read: .tollgate/history/records/4f/2a9c was altered or is half written: it ends early
    coverage.crates failed: k 1; n 2; value 1 below; limit 0 below; evidence identity 90.0 % (9/10), floor 95 % of the policy, 1 covered line short / core 80.0 % (8/10), floor 80 % of the policy, 0 covered lines to spare
    coverage.patch failed: k 6; n 10; value 60.0 %; limit 80 %; margin 2 covered lines short; Change; evidence crates/core/src/lib.rs:7-10
    coverage.patch warned: k 0; n 0; limit 80 %; Change; evidence not measured: crates/core/src/pay.rs
    coverage.patch passed: k 0; n 0; limit 80 %
    coverage.lost warned: k 3; n 17; value 3 lost (17.6 %); limit 10 lost; margin 7 lines to spare; Change; Baseline { tree: "99aa00bb11cc22dd33ee", age: 0 }; evidence crates/identity/src/main.rs:2-4
    coverage.lost passed: k 0; n 17; value 0 lost (0.0 %); limit 10 lost; margin 10 lines to spare; Baseline { tree: "99aa00bb11cc22dd33ee", age: 3 }
    coverage.lost warned: Unknown
    coverage.lost warned: Unknown
    coverage.denominator invalid: k 2; n 4; value 2 measured; evidence billing / harness is excluded: only tests use it
    coverage.proof invalid: k 1; evidence service identity: it wrote no profile
    time.suite passed: value 26.7 s; limit 300 s; margin 273.4 s to spare
    time.unit failed: value 41.2 s; limit 30 s; margin 11.2 s too long; evidence core b::refuses (9 ms) / core a::parses (7 ms) / core a::adds (5 ms)
    time.unit warned: value 41.2 s; limit 30 s; margin 11.2 s too long; Machine; evidence core a::adds (14.0 s) / core a::parses (13.7 s) / core b::refuses (13.4 s)
    time.unit failed: value 41.2 s; limit 30 s; margin 11.2 s too long; evidence core a::adds (14.0 s) / core a::parses (13.7 s) / core b::refuses (13.4 s)
    time.tests warned: k 1; n 8; value 1 slow; Unknown; evidence grown: core a::adds (12.0 s, median of 20 runs 3.1 s) / critical path: core a::adds alone takes 12.0 s of the 121 ms of tier unit; more threads don't help / 1 of 4 tests of tier unit cost 80 % of the time / 2 of 2 tests of tier integration cost 80 % of the time / critical path: harness::e2e scenario_a alone takes 4.2 s of the 4.3 s of tier e2e; more threads don't help / critical path: harness::load chat alone takes 20.0 s of the 20.1 s of tier performance; more threads don't help
    time.tests warned: k 1; n 8; value 1 slow; evidence core b::refuses (9 ms > 8 ms) / 3 of 4 tests of tier unit cost 80 % of the time / 2 of 2 tests of tier integration cost 80 % of the time / critical path: harness::e2e scenario_a alone takes 4.2 s of the 4.3 s of tier e2e; more threads don't help / critical path: harness::load chat alone takes 20.0 s of the 20.1 s of tier performance; more threads don't help
    time.tests passed: k 0; n 8; value 0 slow; evidence grown: core a::adds (5 ms, median of 20 runs 4 ms) / 3 of 4 tests of tier unit cost 80 % of the time / 2 of 2 tests of tier integration cost 80 % of the time / critical path: harness::e2e scenario_a alone takes 4.2 s of the 4.3 s of tier e2e; more threads don't help / critical path: harness::load chat alone takes 20.0 s of the 20.1 s of tier performance; more threads don't help
    perf.p95.chat failed: k 112; n 1500; value 4.1 s; limit 3 s; lo 0.06380; hi 0.08679; margin 23 bad requests fewer would leave it unproven
    perf.p95.chat unproven: k 0; n 1500; value 32.2 ms; limit 3 s; lo 0.00000; hi 0.00200
    perf.p95.chat unproven: k 70; n 1500; value 32.2 ms; limit 3 s; lo 0.03804; hi 0.05664; more 201
    perf.error.chat passed: k 10; n 1500; value 0.6 %; limit 5 %; lo 0.00362; hi 0.01128; margin 51 bad requests more would leave it unproven
    perf.completion.chat unproven: k 1; n 12; value 91.6 %; limit 80 %; lo 0.00427; hi 0.33868; more 10
    perf.regression failed: k 1; n 2; value +10.1 % [+9.4, +11.1]; limit +3 %; margin all of it is 6.3 points or more above the limit; Change; evidence core::bench finds: +0.2 % [−0.2, +0.6] over 15 pairs: passed / core::bench parse_big: +10.1 % [+9.4, +11.1] over 15 pairs: failed
    perf.regression passed: k 0; n 2; value +1.1 % [+0.3, +2.1]; limit +3 %; margin all of it is 0.9 points or more below the limit; evidence core::bench finds: +0.2 % [−0.2, +0.6] over 15 pairs: passed / core::bench parse_big: +1.1 % [+0.3, +2.1] over 15 pairs: passed / core::bench sorts: new, not compared
    perf.regression unproven: k 0; n 1; value +2.1 % [−0.4, +4.6]; limit +3 %; more 361; evidence core::bench parse_big: +2.1 % [−0.4, +4.6] over 60 pairs: unproven
    perf.regression unproven: k 0; n 1; value +2.1 % [−1.0, +5.2]; limit +3 %; more 367; evidence core::bench parse_big: +2.1 % [−1.0, +5.2] over 37 pairs: unproven
    perf.regression unproven: k 0; n 1; value +2.6 % [+0.1, +5.1]; limit +3 %; evidence core::bench parse_big: +2.6 % [+0.1, +5.1] over 60 pairs: unproven
    perf.regression unproven: k 0; n 1; value +0.0 % [−8.0, +8.7]; limit +3 %; evidence core::bench parse_big: +0.0 % [−8.0, +8.7] over 60 pairs: unproven
    perf.regression invalid: k 0; n 1; limit +3 %; evidence core::bench parse_big: 4 pairs
    perf.regression unproven: no numbers
    perf.regression unproven: k 0; n 1; limit +3 %; evidence core::bench parse_big: fails on the base: left != right
    perf.regression invalid: k 0; n 1; limit +3 %; evidence core::bench parse_big: fails here: left != right
    perf.regression invalid: k 0; n 1; limit +3 %; evidence core::bench parse_big: 0 pairs
    perf.regression invalid: k 0; n 1; limit +3 %; evidence core::bench parse_big: 0 pairs
    perf.performance invalid: no numbers
    environment.services failed: k 1; n 2
    environment.teardown failed: k 1; evidence process 4711 (identity)
    "#);
}
