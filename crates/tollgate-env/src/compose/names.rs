//! Names that a message can offer instead of a wrong one.

/// The known name that a wrong one was probably meant to be.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::damerau_levenshtein(wrong, name), name));
    let (distance, name) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + wrong.chars().count() / 4).then_some(name)
}

/// `did you mean ...?`, or all known names.
pub(crate) fn offer(wrong: &str, known: &[&str]) -> String {
    match nearest(wrong, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => format!("known are {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_a_stranger_gets_the_list() {
        assert_eq!(offer("enviroment", &["environment", "expose"]), "did you mean `environment`?");
        assert_eq!(offer("imgae", &["environment", "image"]), "did you mean `image`?");
        assert_eq!(offer("zebra", &["tcp", "http"]), "known are `tcp`, `http`");
        assert_eq!(offer("zebra", &[]), "there are none");
    }
}
