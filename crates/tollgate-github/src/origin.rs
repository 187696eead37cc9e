//! Where a run of Actions comes from: the event that started it.

use tollgate_model::Source;

/// Tells the source from the variables of a step and the event's payload, the file that `GITHUB_EVENT_PATH` names.
///
/// A pull request counts as that of a fork unless the payload shows that its branch is in the same repository: whoever
/// can't be told apart from a stranger is one.
pub fn origin(variable: impl Fn(&str) -> Option<String>, payload: Option<&str>) -> Source {
    let value = |name| variable(name).unwrap_or_default();
    let payload: serde_json::Value =
        payload.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(serde_json::Value::Null);
    let text = |pointer: &str| payload.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
    let repository = value("GITHUB_REPOSITORY");
    let on_main =
        value("GITHUB_REF_TYPE") == "branch" && value("GITHUB_REF_NAME") == text("/repository/default_branch");
    let of_head = |pointer| {
        let head = text(pointer);
        if !head.is_empty() && head == repository { Source::Change } else { Source::Fork }
    };
    match value("GITHUB_EVENT_NAME").as_str() {
        "schedule" => Source::Nightly,
        "push" | "workflow_dispatch" if on_main => Source::Main,
        "pull_request" | "pull_request_target" => of_head("/pull_request/head/repo/full_name"),
        "workflow_run" => of_head("/workflow_run/head_repository/full_name"),
        _ => Source::Change,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(event: &str, reference: (&str, &str), payload: &str) -> Source {
        let variable = |name: &str| match name {
            "GITHUB_EVENT_NAME" => Some(event.to_owned()),
            "GITHUB_REPOSITORY" => Some("shop/shop".to_owned()),
            "GITHUB_REF_TYPE" => Some(reference.0.to_owned()),
            "GITHUB_REF_NAME" => Some(reference.1.to_owned()),
            _ => None,
        };
        origin(variable, Some(payload))
    }

    #[test]
    fn only_the_default_branch_is_the_main_one() {
        let payload = r#"{"repository": {"default_branch": "trunk"}}"#;
        assert_eq!(check("push", ("branch", "trunk"), payload), Source::Main);
        assert_eq!(check("workflow_dispatch", ("branch", "trunk"), payload), Source::Main);
        assert_eq!(check("push", ("branch", "main"), payload), Source::Change);
        assert_eq!(check("push", ("tag", "trunk"), payload), Source::Change);
        assert_eq!(check("push", ("branch", "trunk"), "{"), Source::Change);
        assert_eq!(check("schedule", ("branch", "trunk"), payload), Source::Nightly);
        assert_eq!(check("merge_group", ("branch", "trunk"), payload), Source::Change);
    }

    #[test]
    fn a_pull_request_is_a_strangers_unless_its_branch_is_shown_to_be_ours() {
        let of = |repository: &str| format!(r#"{{"pull_request": {{"head": {{"repo": {repository}}}}}}}"#);
        let pull = |repository: &str| check("pull_request", ("branch", "7/merge"), &of(repository));
        assert_eq!(pull(r#"{"full_name": "shop/shop"}"#), Source::Change);
        assert_eq!(pull(r#"{"full_name": "stranger/shop"}"#), Source::Fork);
        // The fork was deleted.
        assert_eq!(pull("null"), Source::Fork);
        assert_eq!(check("pull_request_target", ("branch", "main"), ""), Source::Fork);
        let collected = r#"{"workflow_run": {"head_repository": {"full_name": "stranger/shop"}}}"#;
        assert_eq!(check("workflow_run", ("branch", "main"), collected), Source::Fork);
        assert_eq!(origin(|name| (name == "GITHUB_EVENT_NAME").then(|| "pull_request".to_owned()), None), Source::Fork);
    }
}
