//! The id that a request keeps on its way through the services, so that their log lines can be put together.

use std::future::Future;

use uuid::Uuid;

/// The header that carries the id.
pub const HEADER: &str = "x-request-id";

/// The longest id that is taken over from a caller, in bytes.
const LENGTH_MAX: usize = 64;

tokio::task_local! {
    static CURRENT: String;
}

/// Runs a future under an id; typed clients called in it send the id on.
pub async fn scope<F: Future>(id: String, future: F) -> F::Output {
    CURRENT.scope(id, future).await
}

/// The id that the current task runs under.
///
/// A spawned task has none: take it before and `scope` the spawned future.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Takes over a caller's id if it is fit for a log line (letters, digits, `-`, `_`, `.`, at most 64), else makes one.
pub fn accept(given: Option<&str>) -> String {
    let fit = |id: &&str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !id.is_empty() && id.len() <= LENGTH_MAX && id.bytes().all(legal)
    };
    given.filter(fit).map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn is_taken_over(id: &str) -> bool {
        accept(Some(id)) == id
    }

    #[test]
    fn a_fit_id_is_taken_over_and_any_other_is_replaced() {
        assert!(is_taken_over("run-7.step_2"));
        assert!(is_taken_over(&"x".repeat(64)));
        assert!(!is_taken_over(""));
        assert!(!is_taken_over(&"x".repeat(65)));
        assert!(!is_taken_over("two\nlines"));
        assert!(!is_taken_over("with space"));
        assert_ne!(accept(None), accept(None));
    }

    #[tokio::test]
    async fn an_id_is_known_within_its_scope_alone() {
        assert_eq!(current(), None);
        let inside = scope("a".to_owned(), async { current() }).await;
        assert_eq!(inside.as_deref(), Some("a"));
        assert_eq!(current(), None);
    }
}
