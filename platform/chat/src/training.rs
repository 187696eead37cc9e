//! What can be trained: scenarios and how a session in one is scored. Pure.

use contract::chat::Scenario;

/// A scenario and what a user should bring up in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Training {
    /// The scenario's name.
    pub name: &'static str,
    /// What it is about, in a line.
    pub title: &'static str,
    /// Words in lower case; a goal is reached when the user says the word.
    pub goals: &'static [&'static str],
}

/// Every scenario.
pub const TRAININGS: [Training; 3] = [
    Training { name: "greeting", title: "Welcome a guest at the desk", goals: &["welcome", "name", "help"] },
    Training {
        name: "complaint",
        title: "Calm down an angry caller",
        goals: &["sorry", "understand", "solve", "thank"],
    },
    Training { name: "refund", title: "Decide on a refund", goals: &["order", "receipt"] },
];

/// Finds a scenario by its name.
pub fn find(name: &str) -> Option<&'static Training> {
    TRAININGS.iter().find(|training| training.name == name)
}

/// Lists the scenarios as a caller sees them.
pub fn scenarios() -> Vec<Scenario> {
    let scenario = |training: &Training| Scenario { name: training.name.to_owned(), title: training.title.to_owned() };
    TRAININGS.iter().map(scenario).collect()
}

/// Scores a session from what its user said: the share of goals that were reached, in whole percent, rounded down.
pub fn score<'a>(goals: &[&str], said: impl IntoIterator<Item = &'a str>) -> u8 {
    let words: Vec<String> = said
        .into_iter()
        .flat_map(|text| text.split(|character: char| !character.is_alphanumeric()))
        .map(str::to_lowercase)
        .collect();
    let reached = goals.iter().filter(|goal| words.iter().any(|word| word == *goal)).count();
    if goals.is_empty() { 100 } else { u8::try_from(reached * 100 / goals.len()).unwrap_or(100) }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(said: &[&str], expect: u8) {
        assert_eq!(score(&["sorry", "understand", "solve"], said.iter().copied()), expect, "{said:?}");
    }

    #[test]
    fn a_session_is_scored_by_the_goals_that_its_user_reached() {
        check(&[], 0);
        check(&["I am sorry"], 33);
        check(&["Sorry! I understand.", "bye"], 66);
        check(&["sorry", "we understand", "let us SOLVE it"], 100);
    }

    #[test]
    fn a_goal_counts_once_and_as_a_whole_word() {
        check(&["sorry sorry sorry"], 33);
        check(&["sorrynot resolved"], 0);
        check(&["(sorry),understand;solve?"], 100);
    }

    #[test]
    fn a_scenario_without_goals_can_only_succeed() {
        assert_eq!(score(&[], ["anything"]), 100);
    }

    #[test]
    fn scenarios_are_found_by_their_name() {
        assert_eq!(find("refund").map(|training| training.goals), Some(&["order", "receipt"][..]));
        assert_eq!(find("Refund"), None);
        let names: Vec<_> = scenarios().into_iter().map(|scenario| scenario.name).collect();
        assert_eq!(names, ["greeting", "complaint", "refund"]);
    }

    #[test]
    fn every_goal_is_a_word_in_lower_case() {
        for goal in TRAININGS.iter().flat_map(|training| training.goals) {
            assert_eq!(score(&[goal], [*goal]), 100, "{goal}");
        }
    }
}
