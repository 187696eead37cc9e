//! Self-tests as text and markdown.

use super::Row;
use crate::judge::words::{count, time};
use crate::judge::{ALPHA, lower_bound, upper_bound};
use std::fmt::Write as _;
use tollgate_model::{GateFigures, Outcome, Tally};

/// `0 of 12, at most 22.1 %`: each bound is 95 % sure (Clopper–Pearson).
pub(crate) fn bounded(tally: Tally) -> String {
    let Tally { k, n } = tally;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let (lo, hi) = (percent(lower_bound(k, n, ALPHA)), percent(upper_bound(k, n, ALPHA)));
    match k {
        _ if n == 0 => "not tried".to_owned(),
        0 => format!("0 of {n}, at most {hi}"),
        _ if k == n => format!("{k} of {n}, at least {lo}"),
        _ => format!("{k} of {n}, {lo} to {hi}"),
    }
}

/// The rows and the figures for a terminal, ending with the answer.
pub fn terminal(rows: &[Row], figures: &[GateFigures]) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(text, "  {:18} {:>8}  CONCLUDED", "TRUTH", "TOOK");
    for row in rows {
        let sign = if row.as_expected { ' ' } else { '!' };
        let _ = writeln!(text, "{sign} {:18} {:>8}  {}", row.trial.name(), time(row.seen.wall_ms), concluded(row));
        for complaint in complaints(row) {
            let _ = writeln!(text, "{:30}  {complaint}", "");
        }
    }
    let _ = writeln!(text, "\n  {:28} {:28} MISSED", "GATE", "FALSE ALARMS");
    for gate in figures {
        let _ = writeln!(text, "  {:28} {:28} {}", gate.gate, bounded(gate.false_alarms), bounded(gate.missed));
    }
    let _ = writeln!(text, "\n{}", answer(rows));
    text
}

/// The rows and the figures as markdown.
pub fn markdown(rows: &[Row], figures: &[GateFigures]) -> String {
    let mut text =
        format!("{}\n\n| truth | what is wrong | concluded | exit | time |\n|---|---|---|--:|--:|\n", answer(rows));
    for row in rows {
        let sign = if row.as_expected { "" } else { "❌ " };
        let concluded: Vec<String> = std::iter::once(concluded(row)).chain(complaints(row)).collect();
        let exit = row.seen.exit.map_or("-".to_owned(), |exit| exit.to_string());
        let (name, what, took) = (row.trial.name(), &row.trial.what, time(row.seen.wall_ms));
        let _ = writeln!(text, "| {sign}{name} | {what} | {} | {exit} | {took} |", concluded.join("<br>"));
    }
    text.push_str("\n| gate | false alarms | missed |\n|---|---|---|\n");
    for gate in figures {
        let _ = writeln!(text, "| {} | {} | {} |", gate.gate, bounded(gate.false_alarms), bounded(gate.missed));
    }
    text
}

/// The gates that did not pass.
fn concluded(row: &Row) -> String {
    let Some(gates) = &row.seen.gates else { return "no verdict".to_owned() };
    let not_passed = gates.iter().filter(|(_, outcome)| **outcome != Outcome::Passed);
    let named: Vec<String> = not_passed.map(|(gate, outcome)| format!("{gate} {outcome}")).collect();
    match named.len() {
        0 => format!("{} passed", count(gates.len() as u64, "gate")),
        _ => named.join(", "),
    }
}

/// What is not as it must be.
fn complaints(row: &Row) -> Vec<String> {
    let missed = row.missed.iter().map(|(gate, seen)| {
        let (must, is) = (row.trial.expect[gate], seen.map_or("is not there", Outcome::as_str));
        format!("missed: {gate} must be {must}, and is {is}")
    });
    let alarms = row.false_alarms.iter().map(|(gate, outcome)| format!("false alarm: {gate} {outcome}"));
    let exit = (row.seen.exit != Some(row.trial.exit)).then(|| {
        let seen = row.seen.exit.map_or("no exit code".to_owned(), |exit| format!("exit code {exit}"));
        format!("it must end with exit code {}, and ended with {seen}", row.trial.exit)
    });
    let log = (!row.as_expected).then(|| format!("what it said: {}", row.seen.log));
    missed.chain(alarms).chain(exit).chain(log).collect()
}

fn answer(rows: &[Row]) -> String {
    let unexpected: Vec<&str> = rows.iter().filter(|row| !row.as_expected).map(|row| row.trial.name()).collect();
    let took = time(rows.iter().map(|row| row.seen.wall_ms).sum());
    let all = count(rows.len() as u64, "trial");
    match unexpected.len() {
        0 => format!("{all} in {took}, all as expected."),
        k => format!("{all} in {took}, {k} not as expected: {}.", unexpected.join(", ")),
    }
}
