//! The summary of a run in GitHub's markdown: for the step summary of Actions, bounded so that it is never refused.

use super::facts::{Failure, answer, facts, failures, is_echo, tier_rows};
use super::markdown_page::{CELL_MAX, PAGE_MAX, Page, cell, escape, html, pre};
use super::text::clip;
use super::trend::{HEAD, place, rows, trend};
use crate::coverage::{Totals, package_totals, total};
use crate::diagnose::{causes, has_telling_log, trouble};
use crate::judge::percentile;
use crate::judge::words::{count, ending_reason, latency, percent, share, short, time};
use crate::truths::bounded;
use tollgate_model::{CoverageEvidence, EnvironmentEvidence, Evidence, GateResult, Outcome, SelfTests, Verdict};

/// Bytes of failures, so that there is room for what comes after them.
const FAILURES_MAX: usize = 700_000;

/// Returns the summary of a run as markdown of less than 1 MiB; it ends with a note where something was cut.
pub fn markdown(evidence: &Evidence, verdict: &Verdict) -> String {
    let mut page = Page::default();
    page.push(&format!("## {} tollgate: {}\n\n", sign(verdict.outcome), escape(&answer(verdict))));
    let facts: Vec<String> = facts(evidence).iter().map(|(name, value)| format!("{name} {}", escape(value))).collect();
    page.push(&format!("{}\n", facts.join(" · ")));
    for remark in &evidence.remarks {
        page.push(&format!("\n⚠️ {}\n", escape(remark)));
    }
    gates(&mut page, verdict);
    left_out(&mut page, verdict);
    failed_tests(&mut page, evidence);
    environment_causes(&mut page, evidence);
    tiers(&mut page, evidence);
    if let Some(coverage) = &evidence.coverage {
        packages(&mut page, coverage);
    }
    if let Some(trend) = trend(evidence, verdict) {
        page.push(&format!("\n### Against {}, {}\n\n", short(&trend.commit), place(&trend)));
        page.table(HEAD, rows(&trend).into_iter(), PAGE_MAX, "number");
    }
    loads(&mut page, evidence);
    if let Some(environment) = &evidence.environment {
        services(&mut page, environment);
    }
    if let Some(tests) = &evidence.self_tests {
        self_tests(&mut page, tests);
    }
    page.finish()
}

/// The packages that the change can't reach, each with the reason.
fn left_out(page: &mut Page, verdict: &Verdict) {
    let Some(gate) = verdict.gates.iter().find(|gate| gate.gate.as_str() == "run.reach") else { return };
    page.push("\n### Packages left out\n\n");
    let lines = gate.evidence.iter().map(|line| format!("- {}\n", escape(line)));
    page.blocks(lines, PAGE_MAX, "package");
}

pub(super) fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✅",
        Outcome::Warned => "⚠️",
        Outcome::Unproven => "🟡",
        Outcome::Failed => "❌",
        Outcome::Invalid => "⛔",
    }
}

fn gates(page: &mut Page, verdict: &Verdict) {
    let shown: Vec<&GateResult> = verdict.gates.iter().filter(|gate| !is_echo(gate, verdict)).collect();
    page.push("\n### Gates\n\n");
    let rows = shown.iter().map(|gate| {
        let fix = gate.fix.as_ref().map_or(String::new(), |fix| format!("<br>{}", cell(fix)));
        let value = cell(gate.value.as_deref().unwrap_or(""));
        let limit = cell(gate.limit.as_deref().unwrap_or(""));
        let (sign, name, message) = (sign(gate.outcome), cell(gate.gate.as_str()), cell(&gate.message));
        format!("| {sign} {} | {name} | {value} | {limit} | {message}{fix} |\n", gate.outcome)
    });
    page.table("| outcome | gate | value | limit | |\n|---|---|--:|--:|---|\n", rows, PAGE_MAX / 4, "gate");
    let echoes = (verdict.gates.len() - shown.len()) as u64;
    if let Some(reason) = ending_reason(&verdict.ending).filter(|_| echoes > 0) {
        page.push(&format!("\n{} could not be judged, since {}.\n", count(echoes, "more gate"), escape(&reason)));
    }
    let ending = verdict.gates.iter().find(|gate| gate.gate.as_str() == "run.ending");
    for gate in ending.into_iter().filter(|gate| !gate.evidence.is_empty()) {
        page.push(&format!("\n{}\n", pre(&gate.evidence.join("\n"))));
    }
}

fn failed_tests(page: &mut Page, evidence: &Evidence) {
    let failures = failures(evidence);
    if failures.is_empty() {
        return;
    }
    page.push("\n### Failures\n\n");
    let limit = page.text.len() + FAILURES_MAX;
    page.blocks(failures.iter().map(failure), limit, "failed test");
}

fn failure(failure: &Failure) -> String {
    let kind = if failure.flaky { "🔁 flaky" } else { "❌ failed" };
    let output = if failure.output.is_empty() { String::new() } else { format!("\n{}\n", pre(&failure.output)) };
    format!(
        "<details><summary>{kind}: {} <b>{}</b><br>{}</summary>\n\n{}{output}\n</details>\n\n",
        html(failure.tier.as_str()),
        html(&clip(&failure.test.id.to_string(), CELL_MAX)),
        html(&clip(failure.message.lines().next().unwrap_or_default(), CELL_MAX)),
        pre(&failure.reproduce),
    )
}

fn environment_causes(page: &mut Page, evidence: &Evidence) {
    let causes = causes(evidence);
    if causes.is_empty() {
        return;
    }
    page.push("### Causes in the environment\n\n");
    let blocks = causes.iter().map(|cause| {
        let service =
            cause.service.as_ref().map_or(String::new(), |service| format!(" by {}", escape(service.as_str())));
        let state = cause.state.as_ref().map_or(String::new(), |state| format!(", which {}", escape(state)));
        let tests = count(cause.tests.len() as u64, "test");
        let tail =
            if cause.log_tail.is_empty() { String::new() } else { format!("{}\n", pre(&cause.log_tail.join("\n"))) };
        let (symptom, hint) = (escape(&cause.symptom), escape(&cause.hint));
        format!("**{}{service}{state}** ({tests}): {symptom}\n\n{tail}\n{hint}\n\n", cause.kind)
    });
    page.blocks(blocks, PAGE_MAX, "cause");
}

fn tiers(page: &mut Page, evidence: &Evidence) {
    let rows = tier_rows(evidence).into_iter().map(|row| {
        let trouble =
            row.trouble.map_or(String::new(), |trouble| format!(" did not run to its end: {}", cell(trouble)));
        let numbers = [row.planned, row.passed, row.failed, row.flaky, row.missing, row.ignored].map(|n| n.to_string());
        format!("| {}{trouble} | {} | {} |\n", cell(row.name.as_str()), numbers.join(" | "), time(row.wall_ms))
    });
    page.push("\n### Tiers\n\n");
    let head =
        "| tier | tests | passed | failed | flaky | missing | ignored | time |\n|---|--:|--:|--:|--:|--:|--:|--:|\n";
    page.table(head, rows, PAGE_MAX, "tier");
}

fn packages(page: &mut Page, coverage: &CoverageEvidence) {
    let row = |name: &str, totals: Totals| {
        let uncovered = totals.total - totals.covered;
        format!("| {name} | {} | {} | {uncovered} |\n", percent(totals.permille()), totals.total)
    };
    let all = row("**all**", total(&coverage.files));
    let packages = package_totals(&coverage.files);
    let rows = packages.into_iter().map(|(package, totals)| row(&cell(package), totals)).chain([all]);
    page.push("\n### Coverage of production lines\n\n");
    page.table("| package | covered | lines | uncovered |\n|---|--:|--:|--:|\n", rows, PAGE_MAX, "package");
}

fn loads(page: &mut Page, evidence: &Evidence) {
    if evidence.loads().next().is_none() {
        return;
    }
    let rows = evidence.loads().map(|load| {
        let at = |p| percentile(load, p).map_or_else(|| "–".to_owned(), latency);
        let completed = share(load.sessions_completed, load.sessions);
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {completed} |\n",
            cell(&load.name),
            load.users,
            load.requests,
            at(50),
            at(95),
            at(99),
            share(load.errors, load.requests)
        )
    });
    page.push("\n### Load\n\n");
    let head =
        "| scenario | users | requests | p50 | p95 | p99 | errors | completed |\n|---|--:|--:|--:|--:|--:|--:|--:|\n";
    page.table(head, rows, PAGE_MAX, "scenario");
}

/// Services, and the ends of the logs of those that did not end well.
fn services(page: &mut Page, environment: &EnvironmentEvidence) {
    let rows = environment.services.iter().map(|service| {
        let state = trouble(&service.state).unwrap_or_else(|| "well".to_owned());
        let version = cell(service.version.as_deref().unwrap_or(""));
        let ready = service.ready_ms.map_or(String::new(), time);
        format!("| {} | {} | {version} | {} | {ready} |\n", service.name, cell(&service.program), cell(&state))
    });
    page.push("\n### Environment\n\n");
    page.table(
        "| service | program | version | state | ready after |\n|---|---|---|---|--:|\n",
        rows,
        PAGE_MAX,
        "service",
    );
    let tails = environment.services.iter().filter(|service| has_telling_log(service)).map(|service| {
        let (name, tail) = (html(service.name.as_str()), pre(&service.log_tail.join("\n")));
        format!("\n<details><summary>end of the log of {name}</summary>\n\n{tail}\n</details>\n")
    });
    page.blocks(tails, PAGE_MAX, "log");
}

/// How often each gate was wrong where it is known what it must conclude.
fn self_tests(page: &mut Page, tests: &SelfTests) {
    let rows = tests
        .gates
        .iter()
        .map(|gate| format!("| {} | {} | {} |\n", cell(&gate.gate), bounded(gate.false_alarms), bounded(gate.missed)));
    let (n, days) = (count(tests.tests, "self-test"), count(u64::from(tests.days), "day"));
    page.push(&format!("\n### Gates in {n} of {days}\n\n"));
    page.table("| gate | false alarms | missed |\n|---|---|---|\n", rows, PAGE_MAX, "gate");
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::{judge, sample};
    use tollgate_model::{Ending, TestId, TestResult, TierStatus};

    fn show(change: impl FnOnce(&mut Evidence)) -> String {
        let mut evidence = sample::evidence();
        change(&mut evidence);
        markdown(&evidence, &judge(&evidence, &sample::plan()))
    }

    #[test]
    fn a_good_run_is_a_page_of_tables() {
        insta::assert_snapshot!(show(|_| ()), @"
        ## ✅ tollgate: passed: 20 gates

        run 20261121-093055-4711 · started 2026-11-21T09:30:55Z · stage dev · commit 4f2a9c1e77d0 · engine native (auto: no container engine answers) · toolchain rustc 1.95.0 · took 95.4 s

        ### Gates

        | outcome | gate | value | limit | |
        |---|---|--:|--:|---|
        | ✅ passed | evidence | 7f10fa13ac32 |  | Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). No base was asked for. |
        | ✅ passed | tests.unit | 0 failed | 0 failed | 3 tests passed; 1 ignored test not run. |
        | ✅ passed | tests.integration | 0 failed | 0 failed | 2 tests passed. |
        | ✅ passed | tests.e2e | 0 failed | 0 failed | 1 test passed. |
        | ✅ passed | tests.performance | 0 failed | 0 failed | 1 test passed. |
        | ✅ passed | tests.reported |  |  | 7 planned tests reported, each once. |
        | ✅ passed | flake.run | 0 flaky | 0 flaky | None of 7 tests failed and then passed. |
        | ✅ passed | coverage.floor | 85.0 % | 80 % | 85.0 % (17/20 production lines), floor 80 %. |
        | ✅ passed | coverage.denominator | 2 measured |  | 2 of 3 members measured, 1 excluded. |
        | ✅ passed | coverage.proof |  |  | 1 service and 9 test profiles counted. |
        | ✅ passed | time.unit | 121 ms | 30 s | Running the tests took 121 ms of 30 s. |
        | ✅ passed | time.integration | 2.1 s | 120 s | Running the tests took 2.1 s of 120 s. |
        | ✅ passed | time.e2e | 4.3 s | 120 s | Running the tests took 4.3 s of 120 s. |
        | ✅ passed | time.performance | 20.1 s | 120 s | Running the tests took 20.1 s of 120 s. |
        | ✅ passed | time.suite | 26.7 s | 300 s | Running the tests took 26.7 s of 300 s. |
        | ✅ passed | perf.p95.chat | 32.2 ms | 3 s | 0 of 1500 requests (0.0 %, at most 0.2 % at 95 %) took longer than 3 s or were not answered; limit 5 %. |
        | ✅ passed | perf.error.chat | 0.0 % | 5 % | 0 of 1500 requests (0.0 %, at most 0.2 % at 95 %) failed or were not answered; limit 5 %. |
        | ✅ passed | perf.completion.chat | 100.0 % | 80 % | 0 of 50 sessions (0.0 %, at most 5.9 % at 95 %) were not completed; limit 20 %. |
        | ✅ passed | environment.services |  |  | 2 services (native engine), ready in 900 ms. |
        | ✅ passed | environment.teardown |  |  | Nothing is left; it went in 300 ms. |

        ### Tiers

        | tier | tests | passed | failed | flaky | missing | ignored | time |
        |---|--:|--:|--:|--:|--:|--:|--:|
        | unit | 3 | 3 | 0 | 0 | 0 | 1 | 121 ms |
        | integration | 2 | 2 | 0 | 0 | 0 | 0 | 2.1 s |
        | e2e | 1 | 1 | 0 | 0 | 0 | 0 | 4.3 s |
        | performance | 1 | 1 | 0 | 0 | 0 | 0 | 20.1 s |

        ### Coverage of production lines

        | package | covered | lines | uncovered |
        |---|--:|--:|--:|
        | core | 80.0 % | 10 | 2 |
        | identity | 90.0 % | 10 | 1 |
        | **all** | 85.0 % | 20 | 3 |

        ### Load

        | scenario | users | requests | p50 | p95 | p99 | errors | completed |
        |---|--:|--:|--:|--:|--:|--:|--:|
        | chat | 5 | 1500 | 25.4 ms | 32.2 ms | 32.8 ms | 0.0 % | 100.0 % |

        ### Environment

        | service | program | version | state | ready after |
        |---|---|---|---|--:|
        | postgres | postgres:17 | 17.5 | well | 400 ms |
        | identity | identity |  | well | 400 ms |
        ");
    }

    #[test]
    fn a_red_run_shows_failures_and_causes_escaped() {
        insta::assert_snapshot!(show(sample::make_red), @r#"
        ## ❌ tollgate: failed: 6 gates red: tests.unit, tests.e2e, flake.run and 3 more

        run 20261121-093055-4711 · started 2026-11-21T09:30:55Z · stage dev · commit 4f2a9c1e77d0 with changes · engine native (auto: no container engine answers) · toolchain rustc 1.95.0 · took 95.4 s

        ### Gates

        | outcome | gate | value | limit | |
        |---|---|--:|--:|---|
        | ✅ passed | evidence | 7f10fa13ac32 |  | Tests of 4f2a9c1e77d0 with changes. Environment 7f10fa13ac32 (native engine, 2 services). No base was asked for. |
        | ❌ failed | tests.unit | 1 failed | 0 failed | 1 of 3 tests failed: core a::parses.<br>cargo xtask test unit 'a::parses' |
        | ✅ passed | tests.integration | 0 failed | 0 failed | 2 tests passed. |
        | ❌ failed | tests.e2e | 1 failed | 0 failed | 1 of 1 test failed: harness::e2e scenario\_a.<br>cargo xtask test e2e 'scenario\_a' |
        | ✅ passed | tests.performance | 0 failed | 0 failed | 1 test passed. |
        | ✅ passed | tests.reported |  |  | 7 planned tests reported, each once. |
        | ❌ failed | flake.run | 1 flaky | 0 flaky | 1 of 7 tests failed in one attempt and passed in another: core b::refuses.<br>cargo xtask test unit 'b::refuses' |
        | ❌ failed | coverage.floor | 70.0 % | 80 % | 70.0 % (14/20 production lines) &lt; 80 %: 2 lines short. Most uncovered: identity (4 lines).<br>Test the uncovered lines; the coverage report in the run directory shows them in the source. |
        | ✅ passed | coverage.denominator | 2 measured |  | 2 of 3 members measured, 1 excluded. |
        | ✅ passed | coverage.proof |  |  | 1 service and 9 test profiles counted. |
        | ✅ passed | time.unit | 121 ms | 30 s | Running the tests took 121 ms of 30 s. |
        | ✅ passed | time.integration | 2.1 s | 120 s | Running the tests took 2.1 s of 120 s. |
        | ✅ passed | time.e2e | 4.3 s | 120 s | Running the tests took 4.3 s of 120 s. |
        | ✅ passed | time.performance | 20.1 s | 120 s | Running the tests took 20.1 s of 120 s. |
        | ✅ passed | time.suite | 26.7 s | 300 s | Running the tests took 26.7 s of 300 s. |
        | ❌ failed | perf.p95.chat | not answered | 3 s | 112 of 1500 requests (7.4 %, at least 6.3 % at 95 %) took longer than 3 s or were not answered; limit 5 %.<br>Look at the slowest requests in the report, and at the services' logs of that time. |
        | 🟡 unproven | perf.error.chat | 4.3 % | 5 % | 65 of 1500 requests (4.3 %, at most 5.4 % at 95 %) failed or were not answered; limit 5 %. 91 more good requests would prove it. |
        | ✅ passed | perf.completion.chat | 100.0 % | 80 % | 0 of 50 sessions (0.0 %, at most 5.9 % at 95 %) were not completed; limit 20 %. |
        | ❌ failed | environment.services |  |  | The environment was not whole: identity ended while it was needed: signal SIGKILL.<br>Read services/identity.log in the run directory. |
        | ✅ passed | environment.teardown |  |  | Nothing is left; it went in 300 ms. |

        ### Failures

        <details><summary>❌ failed: unit <b>core a::parses</b><br>assertion &#96;left == right&#96; failed: &#60;b&#62;&#124;x&#124;&#60;/b&#62;</summary>

        <pre>cargo xtask test unit 'a::parses'</pre>

        <pre>thread 'a::parses' panicked at crates/core/src/a.rs:41:9:
        assertion `left == right` failed
          left: "&lt;b&gt;|x|&lt;/b&gt;"
         right: "`y` &amp; *z*"</pre>


        </details>

        <details><summary>❌ failed: e2e <b>harness::e2e scenario&#95;a</b><br>called &#96;Result::unwrap()&#96; on an &#96;Err&#96; value: Connection refused (os error 111), http://127.0.0.1:43211</summary>

        <pre>cargo xtask test e2e 'scenario_a'</pre>

        <pre>GET /health
        called `Result::unwrap()` on an `Err` value: Connection refused (os error 111), http://127.0.0.1:43211
        note: run with `RUST_BACKTRACE=1`</pre>


        </details>

        <details><summary>🔁 flaky: unit <b>core b::refuses</b><br>the clock went backwards</summary>

        <pre>cargo xtask test unit 'b::refuses'</pre>

        <pre>tick
        tock</pre>


        </details>

        ### Causes in the environment

        **connection refused by identity, which ended while it was needed: signal SIGKILL** (1 test): called \`Result::unwrap()\` on an \`Err\` value: Connection refused (os error 111), http://127.0.0.1:43211

        <pre>listening on 127.0.0.1:43211
        WARN pool &lt;2&gt; is `full` | waiting
        memory 97 %</pre>


        The service is not listening: see whether it died, and that the test uses the exported address.


        ### Tiers

        | tier | tests | passed | failed | flaky | missing | ignored | time |
        |---|--:|--:|--:|--:|--:|--:|--:|
        | unit | 3 | 1 | 1 | 1 | 0 | 1 | 121 ms |
        | integration | 2 | 2 | 0 | 0 | 0 | 0 | 2.1 s |
        | e2e | 1 | 0 | 1 | 0 | 0 | 0 | 4.3 s |
        | performance | 1 | 1 | 0 | 0 | 0 | 0 | 20.1 s |

        ### Coverage of production lines

        | package | covered | lines | uncovered |
        |---|--:|--:|--:|
        | core | 80.0 % | 10 | 2 |
        | identity | 60.0 % | 10 | 4 |
        | **all** | 70.0 % | 20 | 6 |

        ### Load

        | scenario | users | requests | p50 | p95 | p99 | errors | completed |
        |---|--:|--:|--:|--:|--:|--:|--:|
        | chat | 5 | 1500 | 25.4 ms | – | – | 4.3 % | 100.0 % |

        ### Environment

        | service | program | version | state | ready after |
        |---|---|---|---|--:|
        | postgres | postgres:17 | 17.5 | well | 400 ms |
        | identity | identity |  | ended while it was needed: signal SIGKILL | 400 ms |

        <details><summary>end of the log of identity</summary>

        <pre>listening on 127.0.0.1:43211
        WARN pool &lt;2&gt; is `full` | waiting
        memory 97 %</pre>

        </details>
        "#);
    }

    #[test]
    fn a_run_that_was_not_completed_says_so_once() {
        let text = show(|evidence| {
            evidence.ending = Ending::EnvironmentFailed { detail: "no <engine>\nanswers".into() };
            evidence.tiers[0].status = TierStatus::Broken { reason: "a|b".into() };
            evidence.tiers.truncate(1);
            evidence.coverage = None;
            evidence.environment = None;
            evidence.load.clear();
        });
        insta::assert_snapshot!(text, @r"
        ## ⛔ tollgate: invalid: the environment failed

        run 20261121-093055-4711 · started 2026-11-21T09:30:55Z · stage dev · commit 4f2a9c1e77d0 · toolchain rustc 1.95.0 · took 95.4 s

        ### Gates

        | outcome | gate | value | limit | |
        |---|---|--:|--:|---|
        | ⛔ invalid | run.ending |  |  | The run was not completed: the environment failed: no &lt;engine&gt;.<br>The detail, run.log and the logs of the services say what is missing. |

        17 more gates could not be judged, since the environment failed.

        <pre>no &lt;engine&gt;
        answers</pre>


        ### Tiers

        | tier | tests | passed | failed | flaky | missing | ignored | time |
        |---|--:|--:|--:|--:|--:|--:|--:|
        | unit did not run to its end: a\|b | 3 | 3 | 0 | 0 | 0 | 1 | 121 ms |
        ");
    }

    #[test]
    fn a_page_is_never_too_long_and_says_what_was_cut() {
        let mut evidence = sample::evidence();
        let verdict = judge(&evidence, &sample::plan());
        sample::make_red(&mut evidence);
        let tests = (0..200).map(|i| TestResult {
            id: TestId::new("core", format!("{i:03}")),
            attempts: vec![sample::failed(1, "boom", &"<&>".repeat(10_000))],
        });
        evidence.tiers[0].results = tests.collect();
        sample::first_load(&mut evidence).latencies_us.clear();
        let load = sample::first_load(&mut evidence).clone();
        *sample::loads(&mut evidence) = vec![load; 9000];
        let text = markdown(&evidence, &verdict);
        assert!(text.len() < 1 << 20, "{}", text.len());
        let note = text.lines().last().unwrap();
        assert!(note.contains("failed test") && note.contains("scenario"), "{note}");
        assert!(text.contains("### Coverage") && text.contains("bytes cut]"));
    }
}
