//! What is read first: gates, failures and causes.

use super::writer::Html;
use crate::diagnose;
use crate::judge::words::{count, ending_reason, time};
use crate::report::facts::{self, Failure, is_echo};
use crate::report::text::{OUTPUT_MAX, head_and_tail};
use std::cmp::Reverse;
use tollgate_model::{AttemptOutcome, Evidence, GateResult, Outcome, Verdict};

/// Failures that are shown, and how many of them are open at first.
const FAILURES_MAX: usize = 100;
const FAILURES_OPEN: usize = 5;

/// Lines of evidence of one gate.
const EVIDENCE_MAX: usize = 50;

pub(super) fn gates(page: &mut Html, verdict: &Verdict) {
    let mut shown: Vec<&GateResult> = verdict.gates.iter().filter(|gate| !is_echo(gate, verdict)).collect();
    shown.sort_by_key(|gate| Reverse(gate.outcome));
    page.raw("<section><h2>Gates</h2>").head(&["", "gate", "#value", "#limit", ""]);
    for gate in &shown {
        row(page, gate);
    }
    page.end_table();
    let echoes = (verdict.gates.len() - shown.len()) as u64;
    if let Some(reason) = ending_reason(&verdict.ending).filter(|_| echoes > 0) {
        page.raw("<p class=\"note\">").text(&count(echoes, "more gate"));
        page.raw(" could not be judged, since ").text(&reason).raw(".</p>");
    }
    page.raw("</section>\n");
}

fn row(page: &mut Html, gate: &GateResult) {
    page.raw("<tr><td><span class=\"badge ").text(gate.outcome.as_str()).raw("\">").text(gate.outcome.as_str());
    page.raw("</span></td><td class=\"name\">").text(gate.gate.as_str()).raw("</td>");
    page.number(gate.value.as_deref().unwrap_or("")).number(gate.limit.as_deref().unwrap_or(""));
    page.raw("<td class=\"say\">").text(&gate.message);
    if let Some(fix) = &gate.fix {
        page.raw(if fix.starts_with("cargo ") { "<code class=\"fix\">" } else { "<span class=\"fix\">" }).text(fix);
        page.raw(if fix.starts_with("cargo ") { "</code>" } else { "</span>" });
    }
    if !gate.evidence.is_empty() {
        let open = gate.outcome == Outcome::Invalid && gate.gate.as_str() == "run.ending";
        page.raw(if open { "<details open>" } else { "<details>" }).raw("<summary>evidence</summary><pre>");
        page.text(&gate.evidence.iter().take(EVIDENCE_MAX).map(String::as_str).collect::<Vec<_>>().join("\n"));
        if gate.evidence.len() > EVIDENCE_MAX {
            page.raw("\n").text(&format!("and {} more in verdict.json", gate.evidence.len() - EVIDENCE_MAX));
        }
        page.raw("</pre></details>");
    }
    page.raw("</td></tr>\n");
}

pub(super) fn failures(page: &mut Html, evidence: &Evidence) {
    let failures = facts::failures(evidence);
    if failures.is_empty() {
        return;
    }
    page.raw("<section><h2>Failures</h2>\n");
    for (index, failure) in failures.iter().take(FAILURES_MAX).enumerate() {
        card(page, failure, index < FAILURES_OPEN);
    }
    if failures.len() > FAILURES_MAX {
        let more = format!("{} more failed tests in junit.xml.", failures.len() - FAILURES_MAX);
        page.raw("<p class=\"note\">").text(&more).raw("</p>");
    }
    page.raw("</section>\n");
}

fn card(page: &mut Html, failure: &Failure, open: bool) {
    page.raw(if open { "<details class=\"card\" open>" } else { "<details class=\"card\">" });
    page.raw(if failure.flaky {
        "<summary><span class=\"badge warned\">flaky</span> "
    } else {
        "<summary><span class=\"badge failed\">failed</span> "
    });
    page.raw("<span class=\"tier\">").text(failure.tier.as_str()).raw("</span> ").text(&failure.test.id.binary);
    page.raw(" <b>").text(&failure.test.id.name).raw("</b></summary><p class=\"message\">").text(&failure.message);
    page.raw("</p><p class=\"attempts\">");
    for (index, attempt) in failure.test.attempts.iter().enumerate() {
        let outcome = match attempt.outcome {
            AttemptOutcome::Passed => "passed",
            AttemptOutcome::Failed => "failed",
            AttemptOutcome::TimedOut => "timed out",
        };
        let attempt = format!("attempt {}: {outcome} after {}", index + 1, time(attempt.duration_ms));
        page.raw("<span>").text(&attempt).raw("</span>");
    }
    page.raw("</p><pre class=\"command\">").text(&failure.reproduce).raw("</pre>");
    if !failure.output.is_empty() {
        page.raw("<pre>").text(&failure.output).raw("</pre>");
    }
    page.raw("</details>\n");
}

pub(super) fn causes(page: &mut Html, evidence: &Evidence) {
    let causes = diagnose::causes(evidence);
    if causes.is_empty() {
        return;
    }
    page.raw("<section><h2>Causes in the environment</h2>\n");
    for cause in &causes {
        page.raw("<div class=\"card cause\"><p><b>").text(&cause.kind.to_string()).raw("</b>");
        if let Some(service) = &cause.service {
            page.raw(" by <b>").text(service.as_str()).raw("</b>");
        }
        if let Some(state) = &cause.state {
            page.raw(", which ").text(state);
        }
        let tests: Vec<String> = cause.tests.iter().take(EVIDENCE_MAX).map(ToString::to_string).collect();
        page.raw(" (").text(&count(cause.tests.len() as u64, "test")).raw(": ").text(&tests.join(", ")).raw(")</p>");
        page.raw("<p class=\"message\">").text(&cause.symptom).raw("</p>");
        if !cause.log_tail.is_empty() {
            page.raw("<pre>").text(&head_and_tail(&cause.log_tail.join("\n"), OUTPUT_MAX)).raw("</pre>");
        }
        page.raw("<p class=\"fix\">").text(&cause.hint).raw("</p></div>\n");
    }
    page.raw("</section>\n");
}
