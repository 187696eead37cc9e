//! Coverage in SonarQube's generic format, version 1.
//!
//! The format: <https://docs.sonarsource.com/sonarqube-server/latest/analyzing-source-code/test-coverage/generic-test-data/>.

use super::html::escape;
use crate::coverage::{is_covered, production_lines};
use std::fmt::Write as _;
use tollgate_model::CoverageEvidence;

/// Returns the coverage as SonarQube's generic coverage XML: production lines, all tiers, paths from the workspace root.
pub fn sonar(coverage: &CoverageEvidence) -> String {
    let mut out = String::from("<coverage version=\"1\">\n");
    // Writing to a string can't fail.
    for file in &coverage.files {
        let _ = writeln!(out, "  <file path=\"{}\">", escape(&file.path));
        for line in production_lines(file) {
            let (number, covered) = (line.line, is_covered(line));
            let _ = writeln!(out, "    <lineToCover lineNumber=\"{number}\" covered=\"{covered}\"/>");
        }
        out += "  </file>\n";
    }
    out + "</coverage>\n"
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::sample;

    #[test]
    fn every_production_line_is_there_once_and_test_code_is_not() {
        let mut coverage = sample::coverage();
        coverage.files[0].lines.drain(1..9);
        coverage.files.truncate(1);
        coverage.files[0].path = "a<\"&>.rs".into();
        insta::assert_snapshot!(sonar(&coverage), @r#"
        <coverage version="1">
          <file path="a&lt;&quot;&amp;&gt;.rs">
            <lineToCover lineNumber="1" covered="true"/>
            <lineToCover lineNumber="10" covered="false"/>
          </file>
        </coverage>
        "#);
    }
}
