//! Coverage in the formats of other tools: LCOV and Cobertura. Both hold what the gate counts: production lines, all tiers.

use super::html::escape;
use crate::coverage::{Totals, production_lines, total};
use std::collections::BTreeMap;
use std::fmt::Write;
use tollgate_model::{CoverageEvidence, FileCoverage, LineCount};

/// Returns the coverage as LCOV, with paths relative to the workspace root.
pub fn lcov(coverage: &CoverageEvidence) -> String {
    let mut out = String::new();
    for file in &coverage.files {
        put(&mut out, format_args!("SF:{}\n", file.path.replace(['\n', '\r'], " ")));
        for line in production_lines(file) {
            put(&mut out, format_args!("DA:{},{}\n", line.line, hits(line)));
        }
        let totals = total([file]);
        put(&mut out, format_args!("LF:{}\nLH:{}\nend_of_record\n", totals.total, totals.covered));
    }
    out
}

/// Returns the coverage as Cobertura XML (coverage-04.dtd): a package per member, a class per file.
///
/// Branches are not measured and stand as 0 of 0; the time stamp is 0, so that the same evidence gives the same file.
pub fn cobertura(coverage: &CoverageEvidence) -> String {
    let mut packages: BTreeMap<&str, Vec<&FileCoverage>> = BTreeMap::new();
    for file in &coverage.files {
        packages.entry(&file.package).or_default().push(file);
    }
    let totals = total(&coverage.files);
    let mut out = String::from(concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<!DOCTYPE coverage SYSTEM \"http://cobertura.sourceforge.net/xml/coverage-04.dtd\">\n"
    ));
    put(
        &mut out,
        format_args!(
            "<coverage line-rate=\"{}\" branch-rate=\"0\" lines-covered=\"{}\" lines-valid=\"{}\" branches-covered=\"0\" \
             branches-valid=\"0\" complexity=\"0\" version=\"tollgate\" timestamp=\"0\">\n",
            rate(totals),
            totals.covered,
            totals.total
        ),
    );
    out += "  <sources>\n    <source>.</source>\n  </sources>\n  <packages>\n";
    for (name, files) in packages {
        let (name, rate) = (escape(name), rate(total(files.iter().copied())));
        put(
            &mut out,
            format_args!("    <package name=\"{name}\" line-rate=\"{rate}\" branch-rate=\"0\" complexity=\"0\">\n"),
        );
        out += "      <classes>\n";
        for file in files {
            class(&mut out, file);
        }
        out += "      </classes>\n    </package>\n";
    }
    out += "  </packages>\n</coverage>\n";
    out
}

fn class(out: &mut String, file: &FileCoverage) {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let (name, path, rate) = (escape(name), escape(&file.path), rate(total([file])));
    put(
        out,
        format_args!(
            "        <class name=\"{name}\" filename=\"{path}\" line-rate=\"{rate}\" branch-rate=\"0\" complexity=\"0\">\n"
        ),
    );
    *out += "          <methods/>\n          <lines>\n";
    for line in production_lines(file) {
        put(
            out,
            format_args!("            <line number=\"{}\" hits=\"{}\" branch=\"false\"/>\n", line.line, hits(line)),
        );
    }
    *out += "          </lines>\n        </class>\n";
}

/// Executions by all tiers.
fn hits(line: &LineCount) -> u64 {
    line.counts.iter().fold(0, |sum: u64, &count| sum.saturating_add(count))
}

/// A share from 0 to 1, rounded down to four places; of no lines it is 1, as the format's own tools have it.
fn rate(totals: Totals) -> String {
    if totals.total == 0 || totals.covered >= totals.total {
        return "1".to_owned();
    }
    format!("0.{:04}", u128::from(totals.covered) * 10_000 / u128::from(totals.total))
}

fn put(out: &mut String, arguments: std::fmt::Arguments) {
    out.write_fmt(arguments).expect("a string takes all that is written to it");
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::coverage::parse_lcov;
    use crate::judge::sample;

    fn small() -> CoverageEvidence {
        let mut coverage = sample::coverage();
        coverage.files[0].lines.drain(1..9);
        coverage.files[0].lines[0].counts = vec![u64::MAX, 1];
        coverage.files[1].lines.truncate(1);
        coverage.files[1].path = "crates/identity/src/a<\"&'>.rs".into();
        coverage
    }

    #[test]
    fn lcov_holds_production_lines_and_can_be_read_again() {
        let text = lcov(&small());
        insta::assert_snapshot!(text, @r#"
        SF:crates/core/src/lib.rs
        DA:1,18446744073709551615
        DA:10,0
        LF:2
        LH:1
        end_of_record
        SF:crates/identity/src/a<"&'>.rs
        DA:1,4
        LF:1
        LH:1
        end_of_record
        "#);
        assert_eq!(parse_lcov(&text).unwrap()["crates/core/src/lib.rs"].len(), 2);
    }

    #[test]
    fn cobertura_has_packages_classes_and_lines() {
        insta::assert_snapshot!(cobertura(&small()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
        <coverage line-rate="0.6666" branch-rate="0" lines-covered="2" lines-valid="3" branches-covered="0" branches-valid="0" complexity="0" version="tollgate" timestamp="0">
          <sources>
            <source>.</source>
          </sources>
          <packages>
            <package name="core" line-rate="0.5000" branch-rate="0" complexity="0">
              <classes>
                <class name="lib.rs" filename="crates/core/src/lib.rs" line-rate="0.5000" branch-rate="0" complexity="0">
                  <methods/>
                  <lines>
                    <line number="1" hits="18446744073709551615" branch="false"/>
                    <line number="10" hits="0" branch="false"/>
                  </lines>
                </class>
              </classes>
            </package>
            <package name="identity" line-rate="1" branch-rate="0" complexity="0">
              <classes>
                <class name="a&lt;&quot;&amp;&#39;&gt;.rs" filename="crates/identity/src/a&lt;&quot;&amp;&#39;&gt;.rs" line-rate="1" branch-rate="0" complexity="0">
                  <methods/>
                  <lines>
                    <line number="1" hits="4" branch="false"/>
                  </lines>
                </class>
              </classes>
            </package>
          </packages>
        </coverage>
        "#);
        insta::assert_snapshot!(cobertura(&CoverageEvidence::default()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
        <coverage line-rate="1" branch-rate="0" lines-covered="0" lines-valid="0" branches-covered="0" branches-valid="0" complexity="0" version="tollgate" timestamp="0">
          <sources>
            <source>.</source>
          </sources>
          <packages>
          </packages>
        </coverage>
        "#);
    }

    #[test]
    fn a_rate_is_rounded_down() {
        let rate = |covered, total| super::rate(Totals { covered, total });
        assert_eq!([rate(2, 3), rate(3, 3), rate(0, 3), rate(0, 0)], ["0.6666", "1", "0.0000", "1"]);
    }
}
