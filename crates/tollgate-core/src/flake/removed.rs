//! Which tests a change takes away: those whose function is gone from its file, and in no file that the change adds to.
//!
//! One that is still there and no longer a test, or that moved to a file that nobody declares, is lost and not taken away.

use super::changed::{Function, Kind, candidates, functions, owner};
use crate::coverage::Moves;
use camino::Utf8Path;
use std::collections::BTreeSet;
use tollgate_model::{ChangeEvidence, Member, TestId};

/// The text of a file by its path; none where there is no such file.
type Texts<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The tests among those of the base that a change takes away. `files` are those of the base that it takes functions from,
/// `moves` says where they are now; `before` and `now` return texts by the path of the time.
pub fn removed_tests(
    (change, moves): (&ChangeEvidence, &Moves),
    files: &BTreeSet<&str>,
    members: &[Member],
    (before, now): (Texts, Texts),
    tests: &[TestId],
) -> BTreeSet<TestId> {
    let added: Vec<String> = change.added.keys().filter(|file| is_rust(file)).filter_map(|file| now(file)).collect();
    let elsewhere: BTreeSet<String> = added
        .iter()
        .flat_map(|text| functions(text, Kind::Any).into_iter().flatten().map(|function| lines(text, &function)))
        .collect();
    let mut removed = BTreeSet::new();
    for file in files.iter().filter(|file| is_rust(file)) {
        let Some(old) = before(file) else { continue };
        let new = moves.path(file).and_then(now).unwrap_or_default();
        let (Some(were), Some(are)) = (functions(&old, Kind::Test), functions(&new, Kind::Any)) else { continue };
        let are: BTreeSet<String> = are.into_iter().map(|function| function.path).collect();
        let gone = were.iter().filter(|function| !are.contains(&function.path));
        for function in gone.filter(|function| !elsewhere.contains(&lines(&old, function))) {
            removed.extend(of_function(function, file, members, tests).into_iter().cloned());
        }
    }
    removed
}

fn is_rust(file: &str) -> bool {
    Utf8Path::new(file).extension() == Some("rs")
}

/// The tests that a function of a file was. Of several with its name those that stand elsewhere are others.
fn of_function<'a>(function: &Function, file: &str, members: &[Member], tests: &'a [TestId]) -> Vec<&'a TestId> {
    let packages = tests.iter().map(|test| test.binary.split("::").next().unwrap_or_default());
    // A package that went with its directory is no member to ask for it.
    let gone = packages.filter(|package| members.iter().all(|member| member.name != *package));
    let gone: BTreeSet<&str> = gone.collect();
    let inside = ["src/", "tests/"].iter().find_map(|part| {
        let at = if file.starts_with(part) { 0 } else { file.rfind(&format!("/{part}"))? + 1 };
        Some(&file[at..])
    });
    let own = owner(file, members);
    let is_of_gone = own.is_none_or(|(_, of_own)| inside != Some(of_own));
    let of_gone = gone.into_iter().filter(|_| is_of_gone).filter_map(|package| Some((package, inside?)));
    let homes = own.map(|(member, inside)| (member.name.as_str(), inside)).into_iter().chain(of_gone);
    let found = homes.flat_map(|(package, inside)| {
        let (there, all) = candidates(function, package, inside, tests);
        if there.is_empty() && all.len() == 1 { all } else { there }
    });
    found.collect()
}

/// Its lines without the white space around them.
fn lines(text: &str, function: &Function) -> String {
    let (first, last) = function.span;
    let lines = text.lines().take(last as usize).skip((first as usize).saturating_sub(1));
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::coverage::{losing_functions, moves};
    use std::collections::BTreeMap;

    const TWO: &str = "fn works() {}\nmod unit {\n    #[test]\n    fn works() {\n        one();\n    }\n\n    #[test]\n    fn stays() {}\n}\n";
    const ONE: &str = "mod unit {\n    #[test]\n    fn stays() {}\n}\n";
    const MOVED: &str = "#[test]\nfn works() {\n    one();\n}\n";

    /// What a change of these files, each with its text before and now, takes away.
    fn check(files: &[(&str, &str, &str)]) -> String {
        let texts = |pick: fn(&(&str, &str, &str)) -> String| -> BTreeMap<String, String> {
            files.iter().map(|file| (file.0.to_owned(), pick(file))).filter(|(_, text)| !text.is_empty()).collect()
        };
        let (before, now) = (texts(|file| file.1.to_owned()), texts(|file| file.2.to_owned()));
        let hunks = files.iter().map(|(path, before, _)| {
            let (to, lost) =
                (if now.contains_key(*path) { format!("b/{path}") } else { "/dev/null".into() }, before.lines());
            let lost: Vec<String> = lost.map(|line| format!("-{line}\n")).collect();
            format!(
                "diff --git a/{path} b/{path}\n--- a/{path}\n+++ {to}\n@@ -1,{} +0,0 @@\n{}",
                lost.len(),
                lost.concat()
            )
        });
        let diff: String = hunks.collect();
        let mut change = ChangeEvidence::default();
        change.added.extend(now.keys().map(|path| (path.clone(), vec![(1, 9)])));
        let member = |name: &str, directory: &str| Member {
            name: name.into(),
            directory: directory.into(),
            binaries: Vec::new(),
        };
        let members = [member("core", "crates/core"), member("extra", "crates/extra")];
        let names = ["unit::works", "unit::stays", "a::unit::works", "a::unit::stays", "odd::unit::alone"];
        let mut ran: Vec<TestId> = names.map(|name| TestId::new("core", name)).into();
        ran.extend(["core::it", "extra", "old"].map(|binary| TestId::new(binary, "unit::works")));
        let texts = (&|path: &str| before.get(path).cloned(), &|path: &str| now.get(path).cloned());
        let moves = moves(&diff).unwrap();
        let removed = removed_tests((&change, &moves), &losing_functions(&diff), &members, (texts.0, texts.1), &ran);
        removed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_test_that_is_taken_away_is_that_of_its_file_and_no_other_of_its_name() {
        assert_eq!(check(&[("crates/core/src/a.rs", TWO, ONE)]), "core a::unit::works");
        assert_eq!(check(&[("crates/core/src/lib.rs", TWO, ONE)]), "core unit::works");
        assert_eq!(check(&[("crates/core/tests/it/main.rs", TWO, ONE)]), "core::it unit::works");
        assert_eq!(check(&[("crates/core/src/a.rs", TWO, "")]), "core a::unit::stays, core a::unit::works");
        assert_eq!(check(&[("crates/old/src/lib.rs", TWO, "")]), "old unit::works", "its package went with it");
        assert_eq!(check(&[("crates/core/src/b.rs", TWO, ONE)]), "", "no test that ran was there");
        let alone = TWO.replace("works", "alone");
        assert_eq!(
            check(&[("crates/core/src/c.rs", &alone, ONE)]),
            "core odd::unit::alone",
            "a module can be in any file"
        );
        assert_eq!(check(&[("crates/core/src/c.txt", &alone, ONE)]), "", "but not in one that is no source");
    }

    #[test]
    fn a_function_that_is_no_test_takes_none_away() {
        assert_eq!(check(&[("crates/core/src/lib.rs", "fn works() {}\n", "fn others() {}\n")]), "");
        assert_eq!(check(&[("crates/core/src/lib.rs", TWO, &TWO.replace("fn works() {}\n", ""))]), "");
    }

    #[test]
    fn a_test_that_is_elsewhere_or_no_test_any_more_is_not_taken_away() {
        let (file, other) = ("crates/core/src/lib.rs", "crates/extra/src/lib.rs");
        assert_eq!(check(&[(file, TWO, ONE), (other, "", MOVED)]), "", "nobody may declare where it moved to");
        assert_eq!(check(&[(file, TWO, &TWO.replacen("#[test]\n", "", 1))]), "");
        assert_eq!(check(&[(file, TWO, "mod unit {\n")]), "", "it can't be parsed");
        let another = MOVED.replace("one", "two");
        assert_eq!(check(&[(file, TWO, ONE), (other, "", &another)]), "core unit::works", "another has its name");
    }
}
