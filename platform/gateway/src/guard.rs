//! Which service a request goes to, and whether it may go there without a token.

use axum::http::Method;

/// A service behind the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// Users, verification, login.
    Identity,
    /// Credits, holds, usage.
    Accounting,
    /// Sessions, replies, supervision.
    Chat,
}

impl Upstream {
    /// The service's name, which is the first segment of its paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Accounting => "accounting",
            Self::Chat => "chat",
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The service.
    pub upstream: Upstream,
    /// The path there.
    pub path: &'a str,
    /// Whether it needs a token.
    pub guarded: bool,
}

/// Finds where a request goes; nowhere for a path that no service answers to.
///
/// Everything is guarded but registration, verification and login, which are how one comes to a token, and the sign of
/// life. The paths are compared as they came: an encoded or a dotted one is no exception, so it is guarded.
pub fn route<'a>(method: &Method, path: &'a str) -> Option<Target<'a>> {
    let (name, _) = path.strip_prefix('/')?.split_once('/')?;
    let upstream = [Upstream::Identity, Upstream::Accounting, Upstream::Chat]
        .into_iter()
        .find(|upstream| upstream.name() == name)?;
    let path = &path[1 + name.len()..];
    Some(Target { upstream, path, guarded: !is_open(method, upstream, path) })
}

fn is_open(method: &Method, upstream: Upstream, path: &str) -> bool {
    match (upstream, method.as_str(), path) {
        (_, "GET", "/health") => true,
        (Upstream::Identity, "POST", open) => matches!(open, "/users" | "/users/verify" | "/login"),
        _ => false,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(method: &str, path: &str, expect: Option<(&str, &str, bool)>) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let target = route(&method, path).map(|target| (target.upstream.name(), target.path, target.guarded));
        assert_eq!(target, expect, "{method} {path}");
    }

    #[test]
    fn the_first_segment_names_the_service() {
        check("GET", "/identity/me", Some(("identity", "/me", true)));
        check("POST", "/accounting/holds/7/charge", Some(("accounting", "/holds/7/charge", true)));
        check("GET", "/chat/", Some(("chat", "/", true)));
    }

    #[test]
    fn a_path_of_no_service_goes_nowhere() {
        for path in
            ["/", "/chat", "/chats/x", "/identityx/me", "//identity/me", "", "/Identity/me", "/v1/session/message"]
        {
            check("GET", path, None);
        }
    }

    #[test]
    fn only_registration_verification_login_and_health_are_open() {
        check("POST", "/identity/users", Some(("identity", "/users", false)));
        check("POST", "/identity/users/verify", Some(("identity", "/users/verify", false)));
        check("POST", "/identity/login", Some(("identity", "/login", false)));
        check("GET", "/identity/health", Some(("identity", "/health", false)));
        check("GET", "/chat/health", Some(("chat", "/health", false)));
    }

    #[test]
    fn another_method_a_longer_or_a_disguised_path_is_guarded() {
        check("GET", "/identity/users", Some(("identity", "/users", true)));
        check("GET", "/identity/login", Some(("identity", "/login", true)));
        check("POST", "/identity/login/", Some(("identity", "/login/", true)));
        check("POST", "/identity/users/7/verification", Some(("identity", "/users/7/verification", true)));
        check("POST", "/accounting/login", Some(("accounting", "/login", true)));
        check("POST", "/identity/login/../me", Some(("identity", "/login/../me", true)));
        check("POST", "/identity/%6cogin", Some(("identity", "/%6cogin", true)));
        check("POST", "/chat/health", Some(("chat", "/health", true)));
    }
}
