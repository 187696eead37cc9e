//! "Did you mean": the known name that is nearest to an unknown one.

/// Finds the known name that was most likely meant: at most a third of its letters differ.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
    let limit = |candidate: &str| (name.chars().count().max(candidate.chars().count()) / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit(candidate))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_recognised_and_another_word_is_not() {
        let known = ["filter", "services", "budget", "timeout", "threads"];
        let cases = [
            ("budgt", Some("budget")),
            ("Filter", Some("filter")),
            ("serivces", Some("services")),
            ("timeout-ms", Some("timeout")),
            ("colour", None),
            ("", None),
        ];
        for (name, expect) in cases {
            assert_eq!(nearest(name, known), expect, "{name}");
        }
        assert_eq!(nearest("e2f", ["e2e"]), Some("e2e"));
        assert_eq!(nearest("x", []), None);
    }
}
