//! Tables: tiers, coverage, load, services and all tests.

use super::writer::Html;
use crate::coverage::{Totals, is_covered, package_totals, production_lines, total};
use crate::diagnose::{has_telling_log, trouble};
use crate::judge::percentile;
use crate::judge::words::{count, duration_ms, latency, percent, ranges, share, time};
use crate::report::facts::{slowest, tier_rows};
use crate::report::text::{OUTPUT_MAX, head_and_tail};
use crate::truths::bounded;
use tollgate_model::{Evidence, FileCoverage, LoadEvidence, TestOutcome, TestResult, TierEvidence, TierName};

/// Rows of all tests and of all files; the rest is in junit.xml and lcov.info.
const TESTS_MAX: usize = 5000;
const FILES_MAX: usize = 1000;
pub(super) fn tiers(page: &mut Html, evidence: &Evidence) {
    let rows = tier_rows(evidence);
    page.raw("<section><h2>Tiers</h2>");
    page.head(&["tier", "", "#tests", "#passed", "#failed", "#flaky", "#missing", "#ignored", "#time"]);
    for row in &rows {
        page.raw("<tr><td class=\"name\">").text(row.name.as_str()).raw("</td><td class=\"wide\">");
        match row.trouble {
            Some(trouble) => drop(page.raw("did not run to its end: ").text(trouble)),
            None => bar(page, &[("good", row.passed), ("warn", row.flaky), ("bad", row.failed), ("none", row.missing)]),
        }
        page.raw("</td>");
        for n in [row.planned, row.passed, row.failed, row.flaky, row.missing, row.ignored] {
            page.number(&n.to_string());
        }
        page.number(&time(row.wall_ms)).raw("</tr>\n");
    }
    page.end_table();
    let slowest = slowest(evidence, 10);
    if let Some(&(longest, ..)) = slowest.first() {
        page.raw("<h3>Slowest tests</h3>").head(&["tier", "test", "", "#time"]);
        for (ms, tier, test) in slowest {
            page.raw("<tr>").cell(tier.as_str()).cell(&test.to_string()).raw("<td class=\"wide\">");
            bar(page, &[("plain", ms), ("", longest - ms)]);
            page.raw("</td>").number(&time(ms)).raw("</tr>\n");
        }
        page.end_table();
    }
    page.raw("</section>\n");
}

/// How often each gate was wrong where it is known what it must conclude.
pub(super) fn self_tests(page: &mut Html, evidence: &Evidence) {
    let Some(tests) = &evidence.self_tests else { return };
    let (n, days) = (count(tests.tests, "self-test"), count(u64::from(tests.days), "day"));
    page.raw("<section><h2>Gates in ").text(&format!("{n} of {days}")).raw("</h2>");
    page.head(&["gate", "false alarms", "missed"]);
    for gate in &tests.gates {
        page.raw("<tr>").cell(&gate.gate).cell(&bounded(gate.false_alarms)).cell(&bounded(gate.missed)).raw("</tr>\n");
    }
    page.end_table();
    page.raw("</section>\n");
}

/// Parts side by side, each as wide as its share.
fn bar(page: &mut Html, parts: &[(&'static str, u64)]) {
    let all = parts.iter().fold(0u64, |sum, (_, n)| sum.saturating_add(*n)).max(1);
    page.raw("<span class=\"bar\">");
    for (class, n) in parts.iter().filter(|(_, n)| *n > 0) {
        let width = format!("width:{:.1}%", *n as f64 * 100.0 / all as f64);
        page.raw("<i class=\"").raw(class).raw("\" style=\"").text(&width).raw("\"></i>");
    }
    page.raw("</span>");
}

pub(super) fn coverage(page: &mut Html, evidence: &Evidence) {
    let Some(coverage) = &evidence.coverage else { return };
    let tiers: Vec<&str> = coverage.tiers.iter().map(TierName::as_str).collect();
    page.raw("<section><h2>Coverage</h2><p class=\"note\">Production lines that any of ").text(&tiers.join(", "));
    page.raw(" reached; test code does not count.</p>").head(&["package", "", "#covered", "#lines", "#uncovered"]);
    totals_row(page, "all", total(&coverage.files));
    for (package, totals) in package_totals(&coverage.files) {
        totals_row(page, package, totals);
    }
    page.end_table();
    page.raw("<details><summary>").text(&count(coverage.files.len() as u64, "file")).raw("</summary>");
    page.head(&["file", "#covered", "#lines", "uncovered lines"]);
    for file in coverage.files.iter().take(FILES_MAX) {
        file_row(page, file);
    }
    page.end_table();
    more(page, coverage.files.len(), FILES_MAX, "more files in lcov.info.");
    page.raw("</details></section>\n");
}

fn totals_row(page: &mut Html, name: &str, totals: Totals) {
    let uncovered = totals.total - totals.covered;
    page.raw("<tr><td class=\"name\">").text(name).raw("</td><td class=\"wide\">");
    bar(page, &[("good", totals.covered), ("bad", uncovered)]);
    page.raw("</td>").number(&percent(totals.permille())).number(&totals.total.to_string());
    page.number(&uncovered.to_string()).raw("</tr>\n");
}

fn file_row(page: &mut Html, file: &FileCoverage) {
    let totals = total([file]);
    let uncovered = production_lines(file).filter(|line| !is_covered(line)).map(|line| line.line);
    page.raw("<tr>").cell(&file.path).number(&percent(totals.permille())).number(&totals.total.to_string());
    page.cell(&ranges(uncovered)).raw("</tr>\n");
}

fn more(page: &mut Html, all: usize, shown: usize, what: &'static str) {
    if all > shown {
        page.raw("<p class=\"note\">").text(&(all - shown).to_string()).raw(" ").raw(what).raw("</p>");
    }
}

pub(super) fn load(page: &mut Html, evidence: &Evidence) {
    if evidence.loads().next().is_none() {
        return;
    }
    page.raw("<section><h2>Load</h2>");
    let head = ["scenario", "latency", "#users", "#requests", "#p50", "#p95", "#p99", "#errors", "#completed"];
    page.head(&head);
    for load in evidence.loads().take(FILES_MAX) {
        page.raw("<tr><td class=\"name\">").text(&load.name).raw("</td><td>");
        quantiles(page, load);
        page.raw("</td>").number(&load.users.to_string()).number(&load.requests.to_string());
        for at in [50, 95, 99] {
            page.number(&percentile(load, at).map_or_else(|| "–".to_owned(), latency));
        }
        page.number(&share(load.errors, load.requests)).number(&share(load.sessions_completed, load.sessions));
        page.raw("</tr>\n");
    }
    page.end_table();
    page.raw(
        "<p class=\"note\">Latency counts from when a request was due, so one that had to wait counts its waiting.",
    );
    page.raw(" The bars are the percentiles 2, 4, ... 100; red ones were never answered.</p></section>\n");
}

/// Fifty bars, one for every second percentile.
fn quantiles(page: &mut Html, load: &LoadEvidence) {
    let values: Vec<Option<u64>> = (1..=50).map(|i| percentile(load, i * 2)).collect();
    let longest = values.iter().flatten().max().copied().unwrap_or(0).max(1);
    page.raw(
        "<svg viewBox=\"0 0 200 32\" width=\"200\" height=\"32\" role=\"img\" aria-label=\"latency by percentile\">",
    );
    for (index, value) in values.into_iter().enumerate() {
        let height = value.map_or(32.0, |us| (us as f64 * 32.0 / longest as f64).max(1.0));
        let [x, y, height] = [(index * 4) as f64, 32.0 - height, height].map(|n| format!("{n:.1}"));
        page.raw("<rect x=\"").text(&x).raw("\" y=\"").text(&y).raw("\" height=\"").text(&height);
        page.raw(if value.is_some() { "\" width=\"3\" class=\"plain\"/>" } else { "\" width=\"3\" class=\"bad\"/>" });
    }
    page.raw("</svg>");
}

pub(super) fn services(page: &mut Html, evidence: &Evidence) {
    let Some(environment) = &evidence.environment else { return };
    page.raw("<section><h2>Environment</h2>").head(&["service", "program", "version", "state", "#ready after", "log"]);
    for service in &environment.services {
        let state = trouble(&service.state);
        page.raw("<tr><td class=\"name\">").text(service.name.as_str()).raw("</td>").cell(&service.program);
        page.cell(service.version.as_deref().unwrap_or(""));
        page.raw(if state.is_some() { "<td class=\"bad\">" } else { "<td>" }).text(state.as_deref().unwrap_or("well"));
        page.raw("</td>").number(&service.ready_ms.map_or_else(String::new, time)).raw("<td>");
        page.text(service.log.as_ref().map_or("", |log| log.as_str())).raw("</td></tr>\n");
    }
    page.end_table();
    for service in environment.services.iter().filter(|service| has_telling_log(service)) {
        page.raw("<details open><summary>end of the log of <b>").text(service.name.as_str()).raw("</b></summary><pre>");
        page.text(&head_and_tail(&service.log_tail.join("\n"), OUTPUT_MAX)).raw("</pre></details>\n");
    }
    let leftovers = environment.teardown.iter().flat_map(|teardown| &teardown.leftovers);
    for leftover in leftovers.take(TESTS_MAX) {
        page.raw("<p class=\"note\">Left behind: ").text(&leftover.kind).raw(" ").text(&leftover.what).raw("</p>");
    }
    page.raw("</section>\n");
}

pub(super) fn tests(page: &mut Html, evidence: &Evidence) {
    page.raw("<section><h2>Tests</h2>\n");
    let mut room = TESTS_MAX;
    for tier in evidence.tiers.iter().filter(|tier| !tier.results.is_empty()) {
        let tests = count(tier.results.len() as u64, "test");
        page.raw("<details><summary><b>").text(tier.name.as_str()).raw("</b> ").text(&tests).raw("</summary>");
        page.head(&["", "binary", "test", "#attempts", "#time"]);
        for test in sorted(tier).into_iter().take(room) {
            test_row(page, test);
        }
        page.end_table();
        more(page, tier.results.len(), room, "more tests in junit.xml.");
        room = room.saturating_sub(tier.results.len());
        page.raw("</details>\n");
    }
    page.raw("</section>\n");
}

/// The tests by name, those that did not pass first.
fn sorted(tier: &TierEvidence) -> Vec<&TestResult> {
    let mut tests: Vec<&TestResult> = tier.results.iter().collect();
    tests.sort_by_key(|test| (matches!(test.outcome(), TestOutcome::Passed | TestOutcome::Ignored), &test.id));
    tests
}

fn test_row(page: &mut Html, test: &TestResult) {
    page.raw(match test.outcome() {
        TestOutcome::Passed => "<tr><td class=\"good\">passed",
        TestOutcome::Flaky => "<tr><td class=\"warn\">flaky",
        TestOutcome::Failed => "<tr><td class=\"bad\">failed",
        TestOutcome::Ignored => "<tr><td class=\"quiet\">ignored",
    });
    page.raw("</td>").cell(&test.id.binary).cell(&test.id.name).number(&test.attempts.len().to_string());
    page.number(&time(duration_ms(test))).raw("</tr>\n");
}
