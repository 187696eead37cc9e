//! `lend`: a tier's tests, for a run of a change that compares itself with this checkout.

use crate::{args::Selection, error::CliError, pipeline, project::Project, session::Session};
use tollgate_model::{ExitStatus, Member};

/// Builds the tier from these packages, and says as JSON where its tests are; `null` where the workspace has none of the packages.
///
/// The packages are those of whoever borrows, in place of the tier's own: by what is built together cargo chooses features.
pub(crate) fn run(tier: &str, packages: &[String], session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?;
    let selection = Selection { tiers: vec![tier.to_owned()], ..Selection::default() };
    let mut request = pipeline::request(&selection)?;
    request.gates = false;
    let mut plan = pipeline::plan(&project, &survey, &request)?;
    let Some(tier) = plan.tiers_to_run().find(|tier| tier.services.is_empty()).cloned() else {
        let hint = "only what runs by itself can be executed by another run".to_owned();
        return Err(CliError::usage(format!("tier {tier} needs services"), [hint]));
    };
    let lent = match known(packages, &plan.members) {
        None => Ok(None),
        Some(packages) => {
            plan.builds.iter_mut().for_each(|build| build.packages.clone_from(&packages));
            pipeline::lend(&project, &survey, &plan, &tier, session)?.map(Some)
        }
    };
    match lent {
        Ok(lent) => {
            session.reporter.console().data(&(serde_json::to_string(&lent).unwrap_or_default() + "\n"));
            Ok(ExitStatus::Passed)
        }
        Err(status) => Ok(status),
    }
}

/// Those of the packages that are members; absent where none is. No package at all stands for the whole workspace.
fn known(packages: &[String], members: &[Member]) -> Option<Vec<String>> {
    let is_member = |package: &&String| members.iter().any(|member| member.name == **package);
    let known: Vec<String> = packages.iter().filter(is_member).cloned().collect();
    (packages.is_empty() || !known.is_empty()).then_some(known)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_package_that_is_not_there_is_not_built_and_none_of_them_is_not_all() {
        let member = |name: &str| Member { name: name.to_owned(), directory: name.into(), binaries: Vec::new() };
        let of = |packages: &[&str]| {
            let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
            known(&packages, &[member("core"), member("scenarios")])
        };
        assert_eq!(of(&["scenarios", "new", "core"]), Some(vec!["scenarios".to_owned(), "core".to_owned()]));
        assert_eq!((of(&[]), of(&["new"])), (Some(Vec::new()), None));
    }
}
