//! The comment on a pull request.

use super::super::markdown::sign;
use super::super::markdown_page::{html, pre};
use super::super::text::clean;
use super::super::trend::{HEAD, place, rows};
use crate::judge::words::{count, share, time};
use tollgate_model::{Brief, BriefGate, BriefLines, BriefMutants, BriefShard, BriefTest, Outcome};

/// The first line of a comment, by which it is found again.
pub const MARKER: &str = "<!-- tollgate:report v1 -->";

/// The line with which the part on the mutants of a change begins, whose run is not that of the checks.
const MUTANTS: &str = "<!-- tollgate:mutants v1 -->";

/// Bytes of a comment; GitHub refuses one of more than 65,536 characters.
pub const COMMENT_MAX: usize = 60_000;

/// Bytes of its part on mutants; the checks have the others.
const MUTANTS_MAX: usize = 12_000;

/// Bytes that are kept free for what is said at the end.
const END: usize = 400;

/// Characters that are shown of why a report can't be read.
const WHY_MAX: usize = 300;

/// Where a brief is from. Nothing in here is from the brief's own author.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Address of the run on GitHub.
    pub run_url: Option<String>,
    /// The attempt at it.
    pub attempt: Option<u32>,
    /// The head of the change.
    pub commit: Option<String>,
    /// Of a run that is not trusted: what GitHub says of it, as `success`. Its brief is then a claim.
    pub conclusion: Option<String>,
}

/// Returns the comment with one part of it as `part` says, which is what one of the other functions returned; the other part stays as it is in the comment that is `there`, if one is. Checks come
/// first, whoever ends first.
pub fn merged(there: Option<&str>, part: &str) -> String {
    let there = there.unwrap_or_default().replace('\r', "");
    let (checks, mutants) = split(&there);
    let (checks, mutants) = match split(part) {
        (_, mutants @ Some(_)) => (checks, mutants),
        (checks, None) => (checks, mutants),
    };
    let parts = [Some(MARKER.to_owned() + checks.trim_end()), mutants.map(|mutants| format!("{MUTANTS}{mutants}"))];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n").trim_end().to_owned() + "\n"
}

/// What the parts of a comment say behind their markers; names and output never make a line of their own there.
fn split(text: &str) -> (&str, Option<&str>) {
    let text = text.strip_prefix(MARKER).unwrap_or(text);
    let is_marker = |at: usize| {
        let line_starts = at == 0 || text[..at].ends_with('\n');
        line_starts && text[at + MUTANTS.len()..].chars().next().is_none_or(|c| c == '\n')
    };
    match text.match_indices(MUTANTS).map(|(at, _)| at).find(|at| is_marker(*at)) {
        Some(at) => (&text[..at], Some(&text[at + MUTANTS.len()..])),
        None => (text, None),
    }
}

/// Returns the part that tells a pull request of a run; it starts with [`MARKER`].
pub fn comment(brief: &Brief, source: &Source) -> String {
    let text = format!("{MARKER}\n{}\n\n{}{}\n", title(brief, source), claim(source), facts(brief, source));
    let mut page = Page { text, left: 0, max: COMMENT_MAX - MUTANTS_MAX };
    page.section("Gates", brief.gates.iter().map(gate));
    page.section("Failed tests", brief.failures.iter().map(|test| failure(test, "❌ failed")));
    let more = brief.tests.failed.saturating_sub(brief.failures.len() as u64);
    if more > 0 && !brief.failures.is_empty() {
        page.push(&format!("\nand {more} more.\n"));
    }
    page.section("Flaky tests", brief.flakes.iter().map(|test| failure(test, "🔁 flaky")));
    if let Some(patch) = &brief.patch {
        let share = if patch.total == 0 { "–".to_owned() } else { share(patch.covered, patch.total) };
        let summary = format!("{share} ({}/{} changed lines) covered\n", patch.covered, patch.total);
        page.section("Coverage of the change", std::iter::once(summary).chain(patch.uncovered.iter().map(uncovered)));
    }
    if let Some(trend) = &brief.trend {
        let base = format!("The recorded run of {}, {}:\n\n", code(&trend.commit), place(trend));
        page.section("Against the base", std::iter::once(base + HEAD + &rows(trend).concat()));
    }
    if let Some(mutants) = &brief.mutants {
        page.section("Mutants of the change", survivors(mutants));
    }
    page.section("Shards", balance(&brief.shards).into_iter());
    page.finish()
}

/// Returns the part on a run that left no brief, which an earlier run's comment must not outlive: nothing could be built, or
/// the gate was lost. What GitHub says of it is all there is; a run without a brief is never shown as a success.
pub fn comment_without_brief(source: &Source) -> String {
    without_brief(source, "It left no report.")
}

/// Returns the part on a run whose brief can't be read, for a reason in words that may be a stranger's. An earlier run's
/// comment must not outlive it either.
pub fn comment_of_unread_brief(source: &Source, why: &str) -> String {
    without_brief(source, &unread(why))
}

/// Returns the part on the mutants of a change where what the run says of them can't be read.
pub fn comment_of_unread_mutants(source: &Source, why: &str) -> String {
    let page = page(source).map_or(String::new(), |page| format!(" {page}"));
    format!("{MUTANTS}\n### {} Mutants of the change\n\n{}{page}\n", sign(Outcome::Invalid), unread(why))
}

fn without_brief(source: &Source, why: &str) -> String {
    let conclusion = code(source.conclusion.as_deref().unwrap_or("unknown"));
    let page = page(source).map_or(String::new(), |page| format!(" {page}"));
    let title = format!("## {} tollgate: the run's conclusion is {conclusion}", sign(Outcome::Invalid));
    format!("{MARKER}\n{title}\n\n{why}{page}\n")
}

/// The reason is cut, since a stranger can make it as long as what could not be read.
fn unread(why: &str) -> String {
    let why: String = why.chars().take(WHY_MAX).collect();
    format!("Its report can't be read: {}.", code(&why))
}

/// Returns the part on the mutants of a change, whose run is not that of the checks and may be of another commit.
pub fn comment_of_mutants(mutants: &BriefMutants, source: &Source) -> String {
    // What the gates say, which a team can make block; and never less than what is listed.
    let seen = match (unnoticed(mutants), mutants.untried) {
        (_, 1..) => Outcome::Unproven,
        (0, 0) => Outcome::Passed,
        (1.., 0) => Outcome::Warned,
    };
    let outcome = mutants.outcome.map_or(seen, |outcome| outcome.max(seen));
    let title = format!("### {} Mutants of the change", sign(outcome));
    let commit = source.commit.as_ref().map(|commit| format!("commit {}", code(commit)));
    let place: Vec<String> = commit.into_iter().chain(page(source)).collect();
    let place = if place.is_empty() { String::new() } else { format!("{}\n\n", place.join(" · ")) };
    let text = format!("{MUTANTS}\n{title}\n\n{}{place}", claim(source));
    let mut page = Page { text, left: 0, max: MUTANTS_MAX };
    survivors(mutants).for_each(|line| page.push(&line));
    page.finish()
}

/// How many no test noticed: at least as many as are listed, whatever a stranger's brief says.
fn unnoticed(mutants: &BriefMutants) -> u64 {
    mutants.unnoticed.max(mutants.missed.len() as u64)
}

/// How many were tried, and those that no test noticed.
fn survivors(mutants: &BriefMutants) -> impl Iterator<Item = String> {
    let missed = mutants.missed.iter().map(|name| format!("- no test notices {}\n", code(name)));
    let all = unnoticed(mutants);
    let late = if mutants.untried > 0 { format!(", {} not for want of time", mutants.untried) } else { String::new() };
    let summary = format!("{} tried{late}, {all} unnoticed\n", count(mutants.tried, "mutant"));
    let left = all - mutants.missed.len() as u64;
    let more = (left > 0).then(|| format!("- and {left} more\n"));
    std::iter::once(summary).chain(missed).chain(more)
}

/// Said before everything that is from a run that is not trusted.
fn claim(source: &Source) -> &'static str {
    match source.conclusion {
        Some(_) => "> What follows is what the run says of itself; nobody has checked it.\n\n",
        None => "",
    }
}

/// The verdict: of a run that is not trusted, GitHub's conclusion.
fn title(brief: &Brief, source: &Source) -> String {
    match &source.conclusion {
        None => format!("## {} tollgate: {}", sign(brief.outcome), brief.outcome),
        Some(conclusion) => {
            let sign = if conclusion == "success" { sign(Outcome::Passed) } else { sign(Outcome::Failed) };
            format!("## {sign} tollgate: the run's conclusion is {}", code(conclusion))
        }
    }
}

/// The run on GitHub, as a link.
fn page(source: &Source) -> Option<String> {
    let attempt = source.attempt.map_or(String::new(), |attempt| format!(", attempt {attempt}"));
    source.run_url.as_ref().map(|url| format!("[run]({url}){attempt}"))
}

fn facts(brief: &Brief, source: &Source) -> String {
    let tests = &brief.tests;
    let mut facts = vec![format!("{} passed, {} failed", tests.passed, tests.failed)];
    let more = [(tests.flaky, "flaky"), (tests.ignored, "ignored"), (tests.missing, "not reported")];
    facts.extend(more.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    let mut facts = vec![facts.join(", "), time(brief.wall_ms), format!("stage {}", code(&brief.stage))];
    facts.extend(brief.commit.as_ref().map(|commit| format!("commit {}", code(commit))));
    facts.extend(page(source));
    facts.join(" · ")
}

fn gate(gate: &BriefGate) -> String {
    format!("- {} {} {}: {}\n", sign(gate.outcome), gate.outcome, code(&gate.gate), code(&gate.message))
}

fn failure(test: &BriefTest, kind: &str) -> String {
    let excerpt = if test.excerpt.is_empty() { String::new() } else { format!("\n{}", pre(&test.excerpt)) };
    let attempts = if test.attempts > 1 { format!(", {} attempts", test.attempts) } else { String::new() };
    format!(
        "<details><summary>{kind}{attempts}: <code>{}</code> <code>{}</code><br><code>{}</code></summary>\n\n{}{excerpt}\n</details>\n\n",
        html(&plain(&test.tier)),
        html(&plain(&test.test)),
        html(&plain(&test.message)),
        pre(&test.reproduce),
    )
}

fn uncovered(file: &BriefLines) -> String {
    let range = |&(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    let lines: Vec<String> = file.lines.iter().map(range).collect();
    format!("- not covered: {} {}\n", code(&file.file), lines.join(", "))
}

/// A table of the shards, whose cells are numbers alone; none where the run was not spread.
fn balance(shards: &[BriefShard]) -> Option<String> {
    if shards.is_empty() {
        return None;
    }
    let row = |shard: &BriefShard| {
        let planned = shard.estimate_ms.map_or_else(|| "unknown".to_owned(), time);
        let took = shard.wall_ms.map_or_else(|| "no receipt".to_owned(), time);
        let attempt = shard.attempt.map_or_else(String::new, |attempt| attempt.to_string());
        format!("| {} | {} | {planned} | {took} | {attempt} |\n", shard.shard, shard.tests)
    };
    let rows: String = shards.iter().map(row).collect();
    Some(format!("| shard | tests | planned | took | attempt |\n|---|--:|--:|--:|--:|\n{rows}"))
}

/// Text as a code span: GitHub makes no link, mention, reference or markup of it, and it can't end the span.
fn code(text: &str) -> String {
    let text = plain(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A space keeps a backtick at an end apart from the fence, and is not shown.
    if text.is_empty() { "` `".to_owned() } else { format!("{fence} {text} {fence}") }
}

/// Text in one line, without what turns the order of characters round or is not seen.
fn plain(text: &str) -> String {
    let unseen =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let shown = |c: char| if c.is_whitespace() { ' ' } else { c };
    clean(text).chars().filter(|c| !unseen(*c)).map(shown).collect::<String>().trim().to_owned()
}

/// The comment so far, and how much found no room.
struct Page {
    text: String,
    left: u64,
    /// Bytes that there is room for.
    max: usize,
}

impl Page {
    fn push(&mut self, block: &str) {
        if self.left == 0 && self.text.len() + block.len() <= self.max - END {
            self.text += block;
        } else {
            self.left += 1;
        }
    }

    fn section(&mut self, title: &str, blocks: impl Iterator<Item = String>) {
        let mut title = Some(format!("\n### {title}\n\n"));
        for block in blocks {
            self.push(&(title.take().unwrap_or_default() + &block));
        }
    }

    fn finish(mut self) -> String {
        if self.left > 0 {
            let what = if self.left == 1 { "entry" } else { "entries" };
            let note =
                format!("\n> Left out for want of room: {} {what}. All of it is in the run's artifacts.\n", self.left);
            self.text += &note;
        }
        self.text
    }
}

#[cfg(test)]
mod unit {
    use super::super::brief;
    use super::*;
    use crate::judge::{judge, sample};
    use proptest::prelude::*;
    use tollgate_model::{BriefSide, BriefTrend, ChangeEvidence, Partition};

    fn tried(tried: u64, unnoticed: u64) -> BriefMutants {
        BriefMutants { tried, unnoticed, ..BriefMutants::default() }
    }

    fn red() -> Brief {
        let mut evidence = sample::evidence();
        sample::make_red(&mut evidence);
        let added = [("crates/identity/src/main.rs".to_owned(), vec![(4, 10)])];
        evidence.change =
            Some(ChangeEvidence { commit: "abc".into(), added: added.into(), ..ChangeEvidence::default() });
        evidence.tiers[0].results[1].attempts.truncate(1);
        let shard = |index, estimate_ms, wall_ms: Option<u64>| BriefShard {
            shard: Partition { index, count: 2 },
            tests: 4,
            estimate_ms,
            wall_ms,
            attempt: wall_ms.map(|_| 1),
        };
        let verdict = judge(&evidence, &sample::plan());
        let shards = vec![shard(1, Some(20_000), Some(21_500)), shard(2, None, None)];
        let mutants = BriefMutants { missed: vec!["src/lib.rs:5:15: replace / with % in price".into()], ..tried(3, 1) };
        let mut brief = brief(&evidence, &verdict, None, shards);
        brief.gates.truncate(2);
        brief.failures.truncate(1);
        let side = |tests, covered| BriefSide { tests, tests_ms: 20_000, covered, lines: 20 };
        let trend = BriefTrend { commit: "d4e1".into(), age: 1, before: side(8, 17), now: side(8, 14) };
        Brief { mutants: Some(mutants), trend: Some(trend), ..brief }
    }

    #[test]
    fn a_pull_request_is_told_what_is_wrong_and_how_to_see_it() {
        let url = "https://github.test/o/r/actions/runs/7".to_owned();
        let source = Source { run_url: Some(url), attempt: Some(2), ..Source::default() };
        insta::assert_snapshot!(comment(&red(), &source), @r#"
        <!-- tollgate:report v1 -->
        ## ❌ tollgate: failed

        4 passed, 2 failed, 1 flaky, 1 ignored · 95.4 s · stage ` dev ` · commit ` 4f2a9c1e77d0b1a2c3d4e5f60718293a4b5c6d7e ` · [run](https://github.test/o/r/actions/runs/7), attempt 2

        ### Gates

        - ❌ failed ` tests.unit `: ` 1 of 3 tests failed: core a::parses. `
        - ❌ failed ` tests.e2e `: ` 1 of 1 test failed: harness::e2e scenario_a. `

        ### Failed tests

        <details><summary>❌ failed: <code>unit</code> <code>core a::parses</code><br><code>assertion &#96;left == right&#96; failed: &#60;b&#62;&#124;x&#124;&#60;/b&#62;</code></summary>

        <pre>cargo xtask test unit 'a::parses'</pre>

        <pre>thread 'a::parses' panicked at crates/core/src/a.rs:41:9:
        assertion `left == right` failed
          left: "&lt;b&gt;|x|&lt;/b&gt;"
         right: "`y` &amp; *z*"</pre>

        </details>


        and 1 more.

        ### Flaky tests

        <details><summary>🔁 flaky, 2 attempts: <code>unit</code> <code>core b::refuses</code><br><code>the clock went backwards</code></summary>

        <pre>cargo xtask test unit 'b::refuses'</pre>

        <pre>tick
        tock</pre>

        </details>


        ### Coverage of the change

        42.8 % (3/7 changed lines) covered
        - not covered: ` crates/identity/src/main.rs ` 5-7, 10

        ### Against the base

        The recorded run of ` d4e1 `, 1 commit before the merge-base:

        | | base | now | |
        |---|--:|--:|--:|
        | covered lines | 85.0 % | 70.0 % | −15.0 points |
        | tests | 8 | 8 | ±0 |
        | running them | 20.0 s | 20.0 s | ±0 |

        ### Mutants of the change

        3 mutants tried, 1 unnoticed
        - no test notices ` src/lib.rs:5:15: replace / with % in price `

        ### Shards

        | shard | tests | planned | took | attempt |
        |---|--:|--:|--:|--:|
        | 1/2 | 4 | 20.0 s | 21.5 s | 1 |
        | 2/2 | 4 | unknown | no receipt |  |
        "#);
    }

    #[test]
    fn of_a_fork_githubs_conclusion_counts_and_the_rest_is_its_own_word() {
        let mut brief = red();
        brief.outcome = Outcome::Passed;
        let source = Source { conclusion: Some("failure".into()), ..Source::default() };
        let text = comment(&brief, &source);
        assert!(text.contains("## ❌ tollgate: the run's conclusion is ` failure `\n"), "{text}");
        assert!(text.contains("> What follows is what the run says of itself; nobody has checked it."), "{text}");
        assert!(!text.contains("tollgate: passed"), "{text}");
    }

    #[test]
    fn a_run_without_a_brief_is_never_shown_as_a_success() {
        let source = of_fork(Some(2));
        insta::assert_snapshot!(comment_without_brief(&source), @"
        <!-- tollgate:report v1 -->
        ## ⛔ tollgate: the run's conclusion is ` success `

        It left no report. [run](https://x.test/1), attempt 2
        ");
    }

    #[test]
    fn a_run_whose_brief_cannot_be_read_is_never_shown_as_a_success() {
        let (source, why) = (of_fork(Some(2)), format!("unknown field `{MARKER}@team\n{}`", "x".repeat(1 << 20)));
        insta::assert_snapshot!(comment_of_unread_brief(&source, &why[..60]), @"
        <!-- tollgate:report v1 -->
        ## ⛔ tollgate: the run's conclusion is ` success `

        Its report can't be read: `` unknown field `<!-- tollgate:report v1 -->@team xxxxxxxxxxxx ``. [run](https://x.test/1), attempt 2
        ");
        insta::assert_snapshot!(comment_of_unread_mutants(&source, "EOF while parsing"), @"
        <!-- tollgate:mutants v1 -->
        ### ⛔ Mutants of the change

        Its report can't be read: ` EOF while parsing `. [run](https://x.test/1), attempt 2
        ");
        let long = comment_of_unread_brief(&source, &why);
        assert!(long.len() < 600 && long.lines().count() == 4, "{long}");
        let checks = merged(Some(&comment(&red(), &Source::default())), &comment_of_unread_mutants(&source, "no"));
        assert!(checks.contains("Failed tests") && checks.contains("can't be read: ` no `"), "{checks}");
    }

    fn of_fork(attempt: Option<u32>) -> Source {
        let (run_url, conclusion) = (Some("https://x.test/1".into()), Some("success".into()));
        Source { run_url, attempt, commit: Some("4f2a".into()), conclusion }
    }

    #[test]
    fn mutants_that_no_test_notices_are_told_with_the_commit_that_they_are_of() {
        let missed = vec!["src/lib.rs:5:15: replace `/` with % @x".to_owned()];
        let source = of_fork(None);
        insta::assert_snapshot!(comment_of_mutants(&BriefMutants { missed, ..tried(30, 21) }, &source), @"
        <!-- tollgate:mutants v1 -->
        ### ⚠️ Mutants of the change

        > What follows is what the run says of itself; nobody has checked it.

        commit ` 4f2a ` · [run](https://x.test/1)

        30 mutants tried, 21 unnoticed
        - no test notices `` src/lib.rs:5:15: replace `/` with % @x ``
        - and 20 more
        ");
        let none = comment_of_mutants(&tried(1, 0), &Source::default());
        assert!(
            none.contains("### ✅ Mutants of the change") && none.contains("1 mutant tried, 0 unnoticed"),
            "{none}"
        );
        let many = vec!["`".repeat(1000); 300];
        let long = comment_of_mutants(&BriefMutants { missed: many, ..tried(300, 300) }, &source);
        assert!(long.len() <= MUTANTS_MAX && long.contains("Left out for want of room"), "{long}");
    }

    #[test]
    fn mutants_are_shown_as_their_gates_judged_them_and_untried_ones_never_as_noticed() {
        let title = |mutants: BriefMutants| {
            let text = comment_of_mutants(&mutants, &Source::default());
            (text.lines().nth(1).unwrap_or_default().to_owned(), text.lines().last().unwrap_or_default().to_owned())
        };
        let judged = |outcome, mutants: BriefMutants| title(BriefMutants { outcome: Some(outcome), ..mutants }).0;
        let late = title(BriefMutants { untried: 4, ..tried(0, 0) });
        let wanted = ("### 🟡 Mutants of the change", "0 mutants tried, 4 not for want of time, 0 unnoticed");
        assert_eq!((late.0.as_str(), late.1.as_str()), wanted);
        assert_eq!(judged(Outcome::Failed, tried(3, 1)), "### ❌ Mutants of the change");
        assert_eq!(judged(Outcome::Unproven, tried(3, 0)), "### 🟡 Mutants of the change", "none compiles");
        assert_eq!(judged(Outcome::Passed, tried(3, 1)), "### ⚠️ Mutants of the change", "whatever is claimed");
    }

    #[test]
    fn each_run_writes_its_part_and_leaves_the_others_alone() {
        let mutants = |number| comment_of_mutants(&tried(number, 0), &of_fork(None));
        let (none, red) = (comment_without_brief(&of_fork(None)), comment(&red(), &Source::default()));
        assert_eq!(merged(None, &red), red, "of one part it is that part");
        // Whoever ends first, and whatever line ends GitHub gives back.
        let both = merged(Some(&red.replace('\n', "\r\n")), &mutants(7));
        assert_eq!(merged(Some(&merged(None, &mutants(7))), &red), both);
        assert!(both.starts_with(MARKER) && both.find("Failed tests") < both.find("7 mutants tried"), "{both}");
        assert_eq!(merged(Some(&both), &red), both);
        let again = merged(Some(&both), &mutants(8));
        assert!(again.contains("8 mutants tried") && !again.contains("7 mutants"), "{again}");
        assert!(again.contains("Failed tests"), "{again}");
        let other = merged(Some(&again), &none);
        assert!(other.contains("It left no report.") && other.contains("8 mutants tried"), "{other}");
        assert!(!other.contains("Failed tests"), "{other}");
    }

    #[test]
    fn no_name_and_no_output_begins_a_part_and_both_together_are_never_too_long() {
        let mut brief = red();
        let forged = format!("\n{MUTANTS}\nforged");
        let test = BriefTest { excerpt: forged.repeat(20), message: forged.clone(), ..brief.failures[0].clone() };
        brief.failures = vec![BriefTest { test: forged.clone(), ..test }; 300];
        let missed = vec![forged.clone(); 300];
        brief.mutants = Some(BriefMutants { missed: missed.clone(), ..tried(300, 300) });
        let checks = comment(&brief, &Source::default());
        assert_eq!(split(&checks).1, None);
        let mutants = comment_of_mutants(&BriefMutants { missed, ..tried(300, 300) }, &of_fork(None));
        let both = merged(Some(&checks), &mutants);
        assert!(both.len() <= COMMENT_MAX, "{}", both.len());
        assert_eq!(merged(Some(&both), &checks), both);
    }

    #[test]
    fn a_comment_is_never_too_long_and_says_what_was_left_out() {
        let mut brief = red();
        let long = BriefTest { excerpt: "<".repeat(1500), ..brief.failures[0].clone() };
        brief.failures = vec![long; 30];
        let text = comment(&brief, &Source::default());
        assert!(text.len() <= COMMENT_MAX, "{}", text.len());
        assert!(text.ends_with("entries. All of it is in the run's artifacts.\n"), "{text}");
    }

    /// What is left of markdown when everything that GitHub takes as it is has been taken out.
    fn outside(text: &str) -> String {
        let mut rest = text.to_owned();
        for (open, close) in [("<pre>", "</pre>"), ("<code>", "</code>")] {
            while let Some((before, inside)) = rest.clone().split_once(open) {
                let (inner, after) = inside.split_once(close).expect("it is closed");
                assert!(!inner.contains(['<', '>']), "{inner}");
                rest = format!("{before}{after}");
            }
        }
        let mut kept = String::new();
        let mut left = rest.as_str();
        while let Some(at) = left.find('`') {
            kept.push_str(&left[..at]);
            let fence = left[at..].len() - left[at..].trim_start_matches('`').len();
            let body = &left[at + fence..];
            // A span ends at the next run of exactly as many.
            let mut from = 0;
            let end = loop {
                let start = from + body[from..].find('`').expect("the span is closed");
                let run = body[start..].len() - body[start..].trim_start_matches('`').len();
                if run == fence {
                    break start;
                }
                from = start + run;
            };
            assert!(!body[..end].contains('\n'), "{body}");
            left = &body[end + fence..];
        }
        kept + left
    }

    proptest! {
        #[test]
        fn text_of_strangers_mentions_nobody_links_nowhere_and_stays_where_it_is(
            text in prop::collection::vec(prop::sample::select(vec![
                "@a", "`", "``", "<", "-->", MARKER, "\n", "http://x.y", "#1", "|", "](", "</pre>", "</code>", "</details>", "\u{202e}", "x", "\\", "~~~",
            ]), 0..12).prop_map(|parts| parts.concat()),
        ) {
            let mut brief = red();
            let plain = outside(&comment(&brief, &Source::default()));
            for gate in &mut brief.gates {
                gate.gate.clone_from(&text);
                gate.message.clone_from(&text);
            }
            for test in brief.failures.iter_mut().chain(&mut brief.flakes) {
                for part in [&mut test.tier, &mut test.test, &mut test.message, &mut test.reproduce] {
                    part.clone_from(&text);
                }
                test.excerpt = format!("x{text}");
            }
            brief.stage.clone_from(&text);
            brief.commit = Some(text.clone());
            brief.patch.as_mut().expect("a patch").uncovered[0].file.clone_from(&text);
            brief.mutants.as_mut().expect("mutants").missed[0].clone_from(&text);
            prop_assert_eq!(outside(&comment(&brief, &Source::default())), plain);
        }
    }
}
