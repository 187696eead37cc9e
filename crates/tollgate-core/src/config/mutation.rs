//! What of the configuration is about mutants.

use super::check::{Subject, listed};
use super::file::{ExcludeMutants, File};
use super::nearest;
use super::problem::Problem;
use super::settings::MutationConfig;
use crate::mutation::Suppression;
use tollgate_model::TierName;

/// Checks `[mutants]` and `[gates.mutation]`.
pub(super) fn mutation(subject: &Subject<'_, File>, problems: &mut Vec<Problem>) -> MutationConfig {
    let (mutants, gate) = (&subject.file.mutants, &subject.file.gates.mutation);
    for (index, name) in mutants.tiers.iter().enumerate() {
        tier(subject, index, name, problems);
    }
    for (index, exclude) in mutants.exclude.iter().enumerate() {
        if exclude.path.is_none() && exclude.function.is_none() && exclude.replacement.is_none() {
            let index = index.to_string();
            let problem = subject.at_key(&["mutants", "exclude", &index], "this exclusion holds for every mutant");
            problems.push(problem.hint("write a `path`, a `function` or a `replacement`"));
        }
    }
    MutationConfig {
        tiers: tiers(subject),
        budget_ms: mutants.budget.0,
        suppressions: mutants.exclude.iter().map(suppression).collect(),
        max_missed_in_diff: gate.max_missed_in_diff,
        ratchet: gate.ratchet,
        floors: gate.floors.clone(),
    }
}

fn tier(subject: &Subject<'_, File>, index: usize, name: &str, problems: &mut Vec<Problem>) {
    let index = index.to_string();
    let path = ["mutants", "tiers", index.as_str()];
    let known = subject.places.keys(&["tiers"]);
    let problem = match subject.file.tiers.get(name) {
        None => subject
            .at_value(&path, format!("mutants are to be noticed by a tier `{name}`, which does not exist"))
            .note(listed("tiers", &known))
            .meant(nearest(name, known.iter().copied())),
        Some(tier) if !tier.instrumented => subject
            .at_value(&path, format!("mutants are to be noticed by tier `{name}`, which is not instrumented"))
            .note("counters say which tests reach a mutant"),
        Some(_) => return,
    };
    problems.push(problem);
}

/// Those that are named, else all that can notice a mutant without a service.
fn tiers(subject: &Subject<'_, File>) -> Vec<TierName> {
    let file = &subject.file;
    let named = &file.mutants.tiers;
    let fits = |name: &str| match named.as_slice() {
        [] => file.tiers.get(name).is_some_and(|tier| tier.instrumented && tier.services.is_empty()),
        named => named.iter().any(|one| one == name),
    };
    let chosen = subject.places.keys(&["tiers"]).into_iter().filter(|name| fits(name));
    chosen.filter_map(|name| TierName::new(name).ok()).collect()
}

fn suppression(exclude: &ExcludeMutants) -> Suppression {
    Suppression {
        file: exclude.path.clone(),
        function: exclude.function.clone(),
        replacement: exclude.replacement.clone(),
        reason: exclude.reason.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod unit {
    use super::super::load;
    use super::super::unit::{POLICY, SMALL, sources};
    use super::*;

    fn with(more: &str) -> Result<MutationConfig, Vec<String>> {
        let text = format!("{SMALL}{more}");
        let loaded = load(&sources(&text, POLICY));
        loaded.map(|config| config.mutation).map_err(|all| all.iter().map(|problem| problem.message.clone()).collect())
    }

    #[test]
    fn mutants_are_advice_and_noticed_by_tiers_without_services_unless_it_is_said() {
        let tiers = "[environment]\ncompose = \"c.yaml\"\n[tiers.e2e]\nfilter = \"x\"\nservices = [\"a\"]\n[tiers.fast]\nfilter = \"y\"\n[tiers.load]\nfilter = \"z\"\ninstrumented = false\n";
        let config = with(tiers).expect("it is good");
        assert_eq!(config.tiers.iter().map(TierName::as_str).collect::<Vec<_>>(), ["unit", "fast"]);
        assert_eq!((config.budget_ms, config.max_missed_in_diff, config.ratchet), (300_000, None, false));
        assert!(config.suppressions.is_empty());
        for named in [&["fast"][..], &["e2e", "fast"]] {
            let text = format!("{tiers}[mutants]\ntiers = {named:?}\n");
            let config = with(&text).expect("it is good");
            assert_eq!(config.tiers.iter().map(TierName::as_str).collect::<Vec<_>>(), named);
        }
    }

    #[test]
    fn everything_about_mutants_is_read() {
        let config = with(
            "[gates.mutation]\nmax-missed-in-diff = 2\nratchet = true\nfloors = { \"a/src\" = 90 }\n[mutants]\nbudget = \"90s\"\n[[mutants.exclude]]\npath = \"src/*.rs\"\nfunction = \"f\"\nreplacement = \">=\"\nreason = \"equal\"\n",
        )
        .expect("it is good");
        assert_eq!((config.budget_ms, config.max_missed_in_diff, config.ratchet), (90_000, Some(2), true));
        let expected = Suppression {
            file: Some("src/*.rs".into()),
            function: Some("f".into()),
            replacement: Some(">=".into()),
            reason: "equal".into(),
        };
        assert_eq!(config.suppressions, [expected]);
        assert_eq!(config.floors.into_iter().collect::<Vec<_>>(), [("a/src".to_owned(), 90)]);
        assert!(with("[gates.mutation.floors]\n\"a/src\" = 101\n").is_err(), "there is no such share");
    }

    #[test]
    fn tiers_that_could_not_notice_a_mutant_and_exclusions_of_everything_are_refused() {
        let text = "[environment]\ncompose = \"c.yaml\"\n[tiers.e2e]\nfilter = \"x\"\nservices = [\"a\"]\n[tiers.load]\nfilter = \"z\"\ninstrumented = false\n\
                    [mutants]\ntiers = [\"unti\", \"load\"]\n[[mutants.exclude]]\nreason = \"all\"\n";
        let expected = [
            "mutants are to be noticed by a tier `unti`, which does not exist",
            "mutants are to be noticed by tier `load`, which is not instrumented",
            "this exclusion holds for every mutant",
        ];
        assert_eq!(with(text), Err(expected.map(str::to_owned).to_vec()));
    }
}
