//! A mutant for tests.
#![cfg(test)]

use tollgate_model::{Mutant, MutantOutcome, MutantResult, ReachedBy};

pub(super) fn mutant(line: u32, genre: &str, change: &str) -> Mutant {
    Mutant {
        name: format!("src/lib.rs:{line}:5: {change} in price"),
        file: "src/lib.rs".into(),
        package: "shop".into(),
        function: Some("price".into()),
        lines: (line, line),
        replacement: change.rsplit(' ').next().unwrap_or_default().into(),
        genre: genre.into(),
        diff: format!(
            "--- src/lib.rs\n+++ {change}\n@@ -{line},1 +{line},1 @@\n fn price() {{\n-    a / b\n+    a % /* ~ changed by cargo-mutants ~ */ b\n }}\n"
        ),
    }
}

pub(super) fn result(line: u32, change: &str, outcome: MutantOutcome) -> MutantResult {
    let mutant = mutant(line, "BinaryOperator", change);
    MutantResult {
        mutant,
        line,
        outcome,
        noticed_by: None,
        fell: None,
        joint: false,
        reached_by: ReachedBy::default(),
        wall_ms: 1500,
    }
}
