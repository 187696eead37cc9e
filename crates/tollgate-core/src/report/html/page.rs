//! The page: its frame, and the order of its sections.

use super::{sections, tables, writer::Html};
use crate::report::facts::{answer, facts};
use tollgate_model::{Evidence, Verdict};

/// Returns the report of a run as one self-contained HTML file.
pub fn html(evidence: &Evidence, verdict: &Verdict) -> String {
    let mut page = Html::default();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>");
    page.text(verdict.outcome.as_str()).raw(" · ").text(evidence.run.id.as_str()).raw(" · tollgate</title><style>");
    page.raw(include_str!("style.css")).raw("</style></head><body>\n");
    header(&mut page, evidence, verdict);
    page.raw("<main>\n");
    for remark in &evidence.remarks {
        page.raw("<p class=\"message\">").text(remark).raw("</p>\n");
    }
    sections::gates(&mut page, verdict);
    sections::failures(&mut page, evidence);
    sections::causes(&mut page, evidence);
    tables::tiers(&mut page, evidence);
    tables::coverage(&mut page, evidence);
    tables::load(&mut page, evidence);
    tables::services(&mut page, evidence);
    tables::tests(&mut page, evidence);
    tables::self_tests(&mut page, evidence);
    page.raw(
        "</main>\n<footer>Made by tollgate. The numbers are in evidence.json, the reasons in verdict.json.</footer>\n",
    );
    page.raw("</body></html>\n");
    page.into_text()
}

fn header(page: &mut Html, evidence: &Evidence, verdict: &Verdict) {
    let (outcome, answer) = (verdict.outcome.as_str(), answer(verdict));
    let why = answer.strip_prefix(outcome).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&answer);
    page.raw("<header class=\"")
        .text(outcome)
        .raw("\"><div><p class=\"verdict\">")
        .text(outcome)
        .raw("</p><p class=\"why\">");
    page.text(why).raw("</p><dl>");
    for (name, value) in facts(evidence) {
        page.raw("<div><dt>").text(name).raw("</dt><dd>").text(&value).raw("</dd></div>");
    }
    page.raw("</dl></div></header>\n");
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::{judge, sample};
    use proptest::prelude::*;
    use tollgate_model::{Ending, TestId, TestResult, TierStatus};

    fn show(change: impl FnOnce(&mut Evidence)) -> String {
        let mut evidence = sample::evidence();
        change(&mut evidence);
        html(&evidence, &judge(&evidence, &sample::plan()))
    }

    /// The elements that are open at the end, or the one that was closed wrongly.
    fn unbalanced(page: &str) -> Vec<String> {
        let mut open = Vec::new();
        for tag in page.split('<').skip(1).filter_map(|part| part.split(['>', ' ', '\n']).next()) {
            match tag.strip_prefix('/') {
                Some(name) if open.last().is_some_and(|last| last == name) => drop(open.pop()),
                Some(name) => return vec![format!("/{name} in {open:?}")],
                None if matches!(tag, "!doctype" | "meta" | "br" | "rect" | "path" | "line") => {}
                None => open.push(tag.to_owned()),
            }
        }
        open
    }

    #[test]
    fn the_page_starts_with_the_answer_and_stands_alone() {
        let page = show(|_| ());
        assert!(
            page.contains("<header class=\"passed\"><div><p class=\"verdict\">passed</p><p class=\"why\">20 gates</p>")
        );
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
        assert_eq!(unbalanced(&page), Vec::<String>::new());
    }

    #[test]
    fn a_red_page_holds_what_a_reader_needs() {
        let page = show(sample::make_red);
        assert_eq!(unbalanced(&page), Vec::<String>::new());
        for part in [
            "6 gates red: tests.unit, tests.e2e, flake.run and 3 more",
            "assertion `left == right` failed: &lt;b&gt;|x|&lt;/b&gt;",
            "cargo xtask test unit &#39;a::parses&#39;",
            "crates/identity/src/main.rs",
            "WARN pool &lt;2&gt; is `full` | waiting",
            "ended while it was needed: signal SIGKILL",
            "connection refused",
            "70.0 %",
        ] {
            assert!(page.contains(part), "{part} is not in the page");
        }
        assert!(!page.contains("<b>|x|") && !page.contains('\u{1b}'));
    }

    #[test]
    fn a_run_that_was_not_completed_has_a_page() {
        let page = show(|evidence| {
            evidence.ending = Ending::BuildFailed { detail: "error[E0308]: mismatched <types>".into() };
            evidence.tiers.truncate(1);
            evidence.tiers[0].status = TierStatus::Broken { reason: "no <nextest>".into() };
            evidence.coverage = None;
            evidence.environment = None;
            evidence.load.clear();
        });
        assert_eq!(unbalanced(&page), Vec::<String>::new());
        assert!(
            page.contains("mismatched &lt;types&gt;") && page.contains("could not be judged, since the build failed")
        );
        assert!(page.contains("no &lt;nextest&gt;"));
    }

    #[test]
    fn a_large_run_stays_a_small_page() {
        let page = show(|evidence| {
            let tests = |from: usize, to: usize, attempt: &tollgate_model::Attempt| -> Vec<TestResult> {
                let id = |i| TestId::new("core", format!("module::test_number_{i:06}"));
                (from..to).map(|i| TestResult { id: id(i), attempts: vec![attempt.clone()] }).collect()
            };
            evidence.tiers[0].results = tests(0, 20_000, &sample::passed(5));
            evidence.tiers[0].results.extend(tests(20_000, 20_300, &sample::failed(5, "boom", &"x".repeat(20_000))));
        });
        assert!(page.len() < 4_000_000, "{}", page.len());
        assert!(page.contains("more failed tests in junit.xml") && page.contains("more tests in junit.xml"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_text_is_escaped(text: String) {
            let page = show(|evidence| {
                evidence.tiers[0].results[0].attempts = vec![sample::failed(1, &text, &text)];
                evidence.tiers[0].results[0].id.name.clone_from(&text);
                sample::first_load(evidence).name.clone_from(&text);
                evidence.environment.as_mut().unwrap().services[0].log_tail = vec![text.clone()];
            });
            prop_assert_eq!(unbalanced(&page), Vec::<String>::new());
        }
    }
}
