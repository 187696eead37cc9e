//! Addresses in variables: in a container `db:5432` is an address, on the host it stands for the real one.
//!
//! A `service:port` anywhere in a value is replaced. A URL without a port gets the port its scheme is known for. A
//! service's name that is a host and has no port can't be replaced, and is refused rather than guessed at.

use crate::compose::{Place, Sited, missing};
use crate::{Compose, EnvError, FileProblem, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use tollgate_model::ServiceName;

/// Real address of a container port.
pub(crate) type Endpoints<'a> = &'a dyn Fn(&ServiceName, u16) -> Option<SocketAddr>;

/// What the words of a process are called where variables have a name.
pub(super) const WORDS: &str = "command";

/// A part of a value that stands for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mention {
    /// Bytes `start..end` are `service:port`, or a service's name in a URL whose scheme implies the port.
    Address { start: usize, end: usize, service: ServiceName, port: u16 },
    /// A service's name is used as a host, and nothing tells the port.
    Portless { service: ServiceName },
}

/// The variables of a service that runs on the host: those of the file and over them those of `x-tollgate`, mapped.
///
/// # Errors
/// When an address isn't known.
pub(crate) fn native_environment(
    compose: &Compose,
    service: &Service,
    endpoints: Endpoints<'_>,
) -> Result<BTreeMap<String, String>, EnvError> {
    let mut problems = Vec::new();
    let mut environment = BTreeMap::new();
    for (key, value) in effective(service) {
        match mapped(compose, service, key, value, endpoints) {
            Ok(value) => drop(environment.insert(key.clone(), value)),
            Err(message) => problems.push(compose.problem(value.at, message, None)),
        }
    }
    if problems.is_empty() { Ok(environment) } else { Err(EnvError::File(problems)) }
}

/// Everything in these services' variables and words that can't be mapped to the host.
pub(crate) fn mapping_problems(compose: &Compose, services: &[ServiceName]) -> Vec<FileProblem> {
    let named = services.iter().filter_map(|name| compose.services.get(name));
    // only what a program of the file reads: a recipe's variables mean the recipe's own settings
    let programs = named.filter(|service| service.recipe().is_none());
    programs.flat_map(|service| service_problems(compose, service)).collect()
}

fn service_problems(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let mut found = Vec::new();
    for (key, value) in effective(service) {
        found.extend(mentions(compose, key, &value.value).into_iter().map(|mention| (key.as_str(), value.at, mention)));
    }
    let words = service.native_words();
    if let Ok(words) = &words {
        found.extend(mentions_of_words(compose, &words.value).into_iter().map(|mention| (WORDS, words.at, mention)));
    }
    found.into_iter().filter_map(|(key, at, mention)| mention_problem(compose, service, key, at, &mention)).collect()
}

/// All addresses that words mention. An option is to its value what a variable's name is: after `--redis-host` or
/// `--redis-host=` a bare word is a host.
fn mentions_of_words(compose: &Compose, words: &[String]) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut option = "";
    for word in words {
        let (key, value) = word.split_once('=').filter(|_| word.starts_with('-')).unwrap_or((option, word));
        let whole = mentions(compose, WORDS, word);
        found.extend(if whole.is_empty() { mentions(compose, key, value) } else { whole });
        option = if word.starts_with('-') && !word.contains('=') { word } else { "" };
    }
    found
}

fn mention_problem(
    compose: &Compose,
    service: &Service,
    key: &str,
    at: Place,
    mention: &Mention,
) -> Option<FileProblem> {
    let (Mention::Portless { service: host } | Mention::Address { service: host, .. }) = mention;
    if !service.meets(compose.services.get(host)?) {
        let what = format!("names `{host}` in `{key}`, and is in none of its networks");
        return missing(compose, service, "networks", at, &what);
    }
    let own = match key {
        WORDS => format!("or say `x-tollgate.arguments` of `{}`", service.name),
        _ => format!("or give `{key}` a native value under `x-tollgate.environment` of `{}`", service.name),
    };
    let (message, hint) = match mention {
        Mention::Portless { service: host } => (
            format!(
                "`{key}` of service `{}` has the service `{host}` as a host without a port, which has no address here",
                service.name
            ),
            format!("write `{host}:PORT`, {own}"),
        ),
        Mention::Address { service: host, port, .. } => {
            let ports = compose.services.get(host)?.tcp_ports();
            if ports.contains(port) {
                return None;
            }
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            let known = if ports.is_empty() { "none".to_owned() } else { ports.join(", ") };
            (
                format!(
                    "`{key}` of service `{}` names port {port} of `{host}`, which isn't among its ports ({known})",
                    service.name
                ),
                format!("add it to `ports` or `expose` of `{host}`, {own}"),
            )
        }
    };
    Some(compose.problem(at, message, Some(hint)))
}

fn effective(service: &Service) -> BTreeMap<&String, &Sited<String>> {
    let own = service.extension.iter().flat_map(|extension| extension.environment.iter());
    service.environment.iter().chain(own).collect()
}

pub(super) fn mapped(
    compose: &Compose,
    service: &Service,
    key: &str,
    value: &Sited<String>,
    endpoints: Endpoints<'_>,
) -> Result<String, String> {
    let recipe = service.recipe().is_some();
    let text = replaced(&value.value, mentions(compose, key, &value.value), |mention| {
        let Mention::Address { service: host, port, .. } = mention else { return Ok(None) };
        if recipe && *host != service.name {
            return Ok(None);
        }
        let lost =
            || format!("`{key}` of service `{}` needs port {port} of `{host}`, which has no address", service.name);
        endpoints(host, *port).map(Some).ok_or_else(lost)
    })?;
    own_ports(&text, service, key, endpoints)
}

/// A text with the addresses of services in it, as configuration files have them. `others` are names that mean something
/// else there unless a port follows them.
///
/// # Errors
/// When a service is named whose port isn't known, or has no address.
pub(crate) fn with_addresses(
    compose: &Compose,
    text: &str,
    others: &BTreeSet<String>,
    endpoints: Endpoints<'_>,
) -> Result<String, String> {
    replaced(text, mentions(compose, "", text), |mention| match mention {
        Mention::Portless { service } if others.contains(service.as_str()) => Ok(None),
        Mention::Portless { service } => {
            Err(format!("`{text}` has the service `{service}` as a host without a port, which has no address here"))
        }
        Mention::Address { start, end, service, .. }
            if &text[*start..*end] == service.as_str() && others.contains(service.as_str()) =>
        {
            Ok(None)
        }
        Mention::Address { service, port, .. } => {
            let lost = || format!("`{text}` names port {port} of `{service}`, which isn't among its ports");
            endpoints(service, *port).map(Some).ok_or_else(lost)
        }
    })
}

/// The text with some of its mentions replaced.
fn replaced(
    text: &str,
    mentions: Vec<Mention>,
    address: impl Fn(&Mention) -> Result<Option<SocketAddr>, String>,
) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for mention in mentions {
        let address = address(&mention)?;
        if let (Mention::Address { start, end, .. }, Some(address)) = (&mention, address) {
            result.push_str(&text[done..*start]);
            result.push_str(&address.to_string());
            done = *end;
        }
    }
    result.push_str(&text[done..]);
    Ok(result)
}

/// Replaces `${port}` and `${port:8080}` by the service's own real ports.
fn own_ports(text: &str, service: &Service, key: &str, endpoints: Endpoints<'_>) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${port") {
        let (before, expression) = rest.split_at(start);
        let (inside, after) = expression["${port".len()..].split_once('}').ok_or("`${port` has no closing brace")?;
        let port = match inside.strip_prefix(':') {
            Some(number) => number.parse().ok(),
            None if inside.is_empty() => service.tcp_ports().first().copied(),
            None => None,
        };
        let real = port.and_then(|port| endpoints(&service.name, port));
        let real =
            real.ok_or_else(|| format!("`${{port{inside}}}` in `{key}` isn't a port of service `{}`", service.name))?;
        result.push_str(before);
        result.push_str(&real.port().to_string());
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

/// All addresses that a value mentions, in order.
fn mentions(compose: &Compose, key: &str, value: &str) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    if let Some(service) = compose.services.keys().find(|name| name.as_str() == value && is_host_key(key)) {
        return vec![Mention::Portless { service: service.clone() }];
    }
    let mut starts = BTreeSet::from([0]);
    starts.extend(value.char_indices().filter(|(_, c)| !is_name(*c)).map(|(at, c)| at + c.len_utf8()));
    for start in starts {
        let rest = &value[start..];
        let length = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        if let Some(service) = compose.services.get(&rest[..length]) {
            found.extend(mention(value, start, start + length, &service.name));
        }
    }
    found
}

/// What a service's name at `start..end` of a value stands for.
fn mention(value: &str, start: usize, end: usize, service: &ServiceName) -> Option<Mention> {
    let (before, after) = (&value[..start], &value[end..]);
    let digits =
        after.strip_prefix(':').map(|rest| &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]);
    if let Some(digits) = digits.filter(|digits| !digits.is_empty()) {
        let end = end + 1 + digits.len();
        // `user:1234@host` is a name and its password
        let password = value[end..].split(['/', ' ', ',']).next().is_some_and(|rest| rest.contains('@'));
        let word = value[end..].starts_with(|c: char| is_name(c));
        let port = digits.parse().ok().filter(|_| !password && !word)?;
        return Some(Mention::Address { start, end, service: service.clone(), port });
    }
    let (before_host, _) = before
        .rsplit_once("://")
        .filter(|(_, user)| user.is_empty() || (user.ends_with('@') && !user.contains('/')))
        .or_else(|| before.ends_with("host=").then_some(("", "")))?;
    if !(after.is_empty() || after.starts_with(['/', '?', '#', ' ', ','])) {
        return None;
    }
    let scheme = before_host.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '+')).next().unwrap_or_default();
    Some(match known_port(scheme) {
        Some(port) => Mention::Address { start, end, service: service.clone(), port },
        None => Mention::Portless { service: service.clone() },
    })
}

fn known_port(scheme: &str) -> Option<u16> {
    Some(match scheme {
        "postgres" | "postgresql" => 5432,
        "redis" => 6379,
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        "amqp" => 5672,
        "nats" => 4222,
        "mysql" => 3306,
        _ => return None,
    })
}

/// Whether a variable of this name holds a host: `DB_HOST`, `PGHOST`, `SMTP_SERVER`.
fn is_host_key(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    ["HOST", "HOSTNAME", "HOSTS", "SERVER", "ADDR", "ADDRESS", "ENDPOINT", "URL", "URI"]
        .iter()
        .any(|end| key.ends_with(end))
}

/// Characters of host names, and of what may stand next to one without being part of it.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.'
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::compose::sample;

    const FILE: &str = "
services:
  postgres: { image: 'postgres:15', environment: { POSTGRES_USER: postgres, ADVERTISE: 'other:1' } }
  redis: { image: 'redis:7' }
  identity: { image: x, expose: [8080, 9090] }
  app:
    image: x
    expose: [8000]
    environment:
      KEY: VALUE
    x-tollgate:
      binary: app
";

    fn endpoint(service: &ServiceName, port: u16) -> Option<SocketAddr> {
        let known =
            [("postgres", 5432, 1), ("redis", 6379, 2), ("identity", 8080, 3), ("identity", 9090, 4), ("app", 8000, 5)];
        let found = known.iter().find(|(name, inner, _)| *name == service.as_str() && *inner == port);
        found.map(|(.., outer)| SocketAddr::from(([127, 0, 0, 1], *outer)))
    }

    fn compose(key: &str, value: &str) -> Compose {
        sample(&FILE.replace("KEY: VALUE", &format!("{key}: '{value}'")).replace("${", "$${"))
    }

    fn check(value: &str, expect: &str) {
        let compose = compose("ANY", value);
        let environment = native_environment(&compose, &compose.services["app"], &endpoint);
        assert_eq!(environment.unwrap_or_else(|error| panic!("{error}"))["ANY"], expect);
    }

    fn check_problem(key: &str, value: &str, expect: &str) {
        let compose = compose(key, value);
        let app = [ServiceName::new("app").unwrap(), ServiceName::new("postgres").unwrap()];
        let problems = mapping_problems(&compose, &app);
        let text = problems.iter().map(|problem| format!("{problem} ({})", problem.hint.clone().unwrap_or_default()));
        assert_eq!(text.collect::<Vec<_>>().join("\n"), expect, "{value}");
    }

    #[test]
    fn addresses_of_services_become_real_ones() {
        check("postgres://u:p@postgres:5432/db?x=1", "postgres://u:p@127.0.0.1:1/db?x=1");
        check("postgres://postgres:1234@postgres:5432/postgres", "postgres://postgres:1234@127.0.0.1:1/postgres");
        check("postgres://u:p@postgres/db", "postgres://u:p@127.0.0.1:1/db");
        check("redis://redis", "redis://127.0.0.1:2");
        check("http://identity:8080,http://identity:9090/x", "http://127.0.0.1:3,http://127.0.0.1:4/x");
        check("identity:8080", "127.0.0.1:3");
        check("127.0.0.1:${port} and ${port:8000}", "127.0.0.1:5 and 5");
        check("app:8000", "127.0.0.1:5");
    }

    #[test]
    fn what_only_looks_like_an_address_stays() {
        for value in
            ["postgres", "my-redis:6379x", "identity-v2:8080", "the identity", "sub.identity:8080", "redis:", "a:8080"]
        {
            check(value, value);
        }
    }

    #[test]
    fn an_address_that_can_not_be_mapped_is_a_problem_with_a_place() {
        check_problem("ANY", "http://identity:8080", "");
        check_problem("POSTGRES_DB", "postgres", "");
        check_problem(
            "DB_HOST",
            "postgres",
            "compose.yaml:10:16: `DB_HOST` of service `app` has the service `postgres` as a host without a port, which has no \
             address here (write `postgres:PORT`, or give `DB_HOST` a native value under `x-tollgate.environment` of `app`)",
        );
        check_problem(
            "ANY",
            "grpc://identity/x",
            "compose.yaml:10:12: `ANY` of service `app` has the service `identity` as a host without a port, which has no \
             address here (write `identity:PORT`, or give `ANY` a native value under `x-tollgate.environment` of `app`)",
        );
        check_problem(
            "ANY",
            "host=identity dbname=x http://identity:1",
            "compose.yaml:10:12: `ANY` of service `app` has the service `identity` as a host without a port, which has no \
             address here (write `identity:PORT`, or give `ANY` a native value under `x-tollgate.environment` of `app`)\n\
             compose.yaml:10:12: `ANY` of service `app` names port 1 of `identity`, which isn't among its ports (8080, 9090) \
             (add it to `ports` or `expose` of `identity`, or give `ANY` a native value under `x-tollgate.environment` of `app`)",
        );
    }

    #[test]
    fn a_name_of_a_configuration_file_is_no_address_unless_it_has_a_port() {
        let compose = compose("ANY", "");
        let others = BTreeSet::from(["redis".to_owned()]);
        let here = |text: &str| with_addresses(&compose, text, &others, &endpoint);
        assert_eq!(here("http://redis/x"), Ok("http://redis/x".to_owned()));
        assert_eq!(here("redis:6379"), Ok("127.0.0.1:2".to_owned()));
        assert_eq!(here("http://identity:8080"), Ok("http://127.0.0.1:3".to_owned()));
        let lost = "`http://identity` names port 80 of `identity`, which isn't among its ports";
        assert_eq!(here("http://identity"), Err(lost.to_owned()));
    }

    #[test]
    fn an_address_that_is_not_known_yet_is_an_error() {
        let compose = compose("ANY", "identity:8080 ${port:1}");
        let none = |_: &ServiceName, _: u16| None;
        let error = native_environment(&compose, &compose.services["app"], &none).unwrap_err().to_string();
        assert!(
            error.contains("`ANY` of service `app` needs port 8080 of `identity`, which has no address"),
            "{error}"
        );
    }
}
