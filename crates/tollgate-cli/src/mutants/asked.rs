//! What is asked for, held against what there is: a name that is nobody's is a mistake, and no run in which all is well.

use crate::{console::Tone, error::CliError, session::Session};
use camino::Utf8Path;
use tollgate_core::{
    config::nearest,
    mutation::{self, Scope, Touched},
};
use tollgate_model::{Member, Mutant};
use tollgate_tools::git;

/// Most mutants that are named to somebody who named none of them.
const NAMED_MAX: usize = 3;

/// Sees that the packages are members of the workspace.
///
/// # Errors
/// When one is not.
pub(super) fn packages(asked: &[String], members: &[Member]) -> Result<(), CliError> {
    let names = || members.iter().map(|member| member.name.as_str());
    let Some(unknown) = asked.iter().find(|asked| !names().any(|name| name == asked.as_str())) else { return Ok(()) };
    let hint = match nearest(unknown, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the packages are: {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(CliError::usage(format!("no package `{unknown}` in this workspace"), [hint]))
}

/// The lines of the change; none where all is asked for.
///
/// # Errors
/// When there is no such change.
pub(super) fn touched(scope: &Scope, root: &Utf8Path, session: &Session) -> Result<Option<Touched>, CliError> {
    let Scope::Diff { base } = scope else { return Ok(None) };
    let (commit, diff) = git::diff(root, base, &session.interrupt).map_err(|error| {
        if session.interrupt.signal().is_some() {
            return error.into();
        }
        CliError::usage(
            format!("there is no diff to `{base}`: {error}"),
            ["name a branch, a tag or a commit that shares history with this one".to_owned()],
        )
    })?;
    let short: String = commit.chars().take(9).collect();
    session.reporter.console().status(Tone::Good, "Comparing", &format!("with {short}, where {base} parted"));
    let touched = mutation::touched(&diff).map_err(|error| CliError::usage(format!("git diff: {error}"), []))?;
    Ok(Some(touched))
}

/// Those of all mutants that are asked for.
///
/// # Errors
/// When one is named that there is not.
pub(super) fn wanted(listed: Vec<Mutant>, scope: &Scope, touched: Option<&Touched>) -> Result<Vec<Mutant>, CliError> {
    let is_touched = |mutant: &Mutant| {
        let lines = touched.and_then(|touched| touched.get(&mutant.file));
        lines.is_some_and(|lines| lines.range(mutant.lines.0..=mutant.lines.1).next().is_some())
    };
    match scope {
        Scope::All => Ok(listed),
        Scope::Diff { .. } => Ok(listed.into_iter().filter(is_touched).collect()),
        Scope::Only { name } => {
            let (named, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(|one| one.name.contains(name));
            if named.is_empty() { Err(nameless(name, &others)) } else { Ok(named) }
        }
    }
}

/// The error of a name that no mutant has, with those that do the same in another place.
fn nameless(name: &str, mutants: &[Mutant]) -> CliError {
    let moved = mutants.iter().filter(|mutant| name.splitn(4, ':').nth(3).map(str::trim) == Some(mutant.change()));
    let mut near: Vec<&str> = moved.map(|mutant| mutant.name.as_str()).take(NAMED_MAX).collect();
    if near.is_empty() {
        let names = mutants.iter().flat_map(|mutant| [mutant.name.as_str(), mutant.change()]);
        near.extend(nearest(name, names));
    }
    let near = near.iter().map(|name| format!("did you mean `{name}`?"));
    let hint = "`cargo xtask mutants --only PART` takes any part of a name, also that of a file".to_owned();
    CliError::usage(format!("no mutant is named `{name}`"), near.chain([hint]))
}

#[cfg(test)]
mod unit {
    use super::*;

    fn mutant(name: &str) -> Mutant {
        Mutant {
            name: name.into(),
            file: "src/lib.rs".into(),
            package: "shop".into(),
            function: Some("price".into()),
            lines: (5, 8),
            replacement: "%".into(),
            genre: "BinaryOperator".into(),
            diff: String::new(),
        }
    }

    fn said(error: CliError) -> (String, Vec<String>) {
        let CliError::Usage { message, hints } = error else { panic!("{error}") };
        (message, hints)
    }

    #[test]
    fn a_package_that_there_is_not_is_a_mistake_and_the_nearest_is_named() {
        let member = |name: &str| Member { name: name.into(), directory: String::new(), binaries: Vec::new() };
        let members = [member("shop"), member("till")];
        let asked = |name: &str| packages(&["till".to_owned(), name.to_owned()], &members).map_err(said);
        assert_eq!(asked("shop"), Ok(()));
        let unknown =
            |name: &str, hint: &str| Err((format!("no package `{name}` in this workspace"), vec![hint.to_owned()]));
        assert_eq!(asked("shp"), unknown("shp", "did you mean `shop`?"));
        assert_eq!(asked("warehouse"), unknown("warehouse", "the packages are: shop, till"));
        assert!(asked("sho").is_err(), "a part of a name is none");
    }

    #[test]
    fn a_mutant_that_there_is_not_is_a_mistake_and_those_that_moved_are_named() {
        let moved = "src/lib.rs:5:22: replace / with % in price";
        let of = |name: &str| {
            let scope = Scope::Only { name: name.to_owned() };
            wanted(vec![mutant(moved), mutant("src/lib.rs:8:1: replace + with - in sum")], &scope, None)
        };
        let names = |name: &str| of(name).map(|found| found.len()).map_err(said);
        assert_eq!(names("with %"), Ok(1));
        assert_eq!(names("src/lib.rs"), Ok(2));
        let (message, hints) = names("src/lib.rs:50:22: replace / with % in price").unwrap_err();
        assert_eq!(message, "no mutant is named `src/lib.rs:50:22: replace / with % in price`");
        assert_eq!(hints[0], format!("did you mean `{moved}`?"));
        assert_eq!(names("replace + with - in sun").unwrap_err().1[0], "did you mean `replace + with - in sum`?");
        assert_eq!(names("nosuch").unwrap_err().1.len(), 1);
    }

    #[test]
    fn of_a_change_mutants_of_touched_lines_are_asked_for() {
        let touched = Touched::from([("new.rs".to_owned(), [1, 2, 3, 4].into())]);
        let diff = Scope::Diff { base: "main".to_owned() };
        let in_new = Mutant { file: "new.rs".into(), lines: (4, 9), ..mutant("new.rs:4:1: x") };
        let below = Mutant { lines: (5, 9), ..in_new.clone() };
        let found = wanted(vec![in_new.clone(), below, mutant("y")], &diff, Some(&touched)).unwrap();
        assert_eq!(found, [in_new]);
    }
}
