//! Templates: `${service.host}`, `${service.port:5432}`, `${service.port}`, `${run.id}`; `$$` is a dollar sign.

use super::mapping::Endpoints;
use crate::{Compose, EnvError};
use std::net::SocketAddr;
use tollgate_model::{RunId, ServiceName};

/// Fills a template in.
///
/// # Errors
/// When it names a service that isn't in the file, a port that isn't known, or something else altogether.
pub(crate) fn resolve(
    template: &str,
    compose: &Compose,
    run: &RunId,
    endpoints: Endpoints<'_>,
) -> Result<String, EnvError> {
    let fail =
        |reason: String, hint: Option<String>| EnvError::Template { template: template.to_owned(), reason, hint };
    let mut result = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find('$') {
        result.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let Some((name, after)) = inside else {
            return Err(fail("a `$` must begin `${...}`; write `$$` for the character".to_owned(), None));
        };
        result.push_str(&value(name, compose, run, endpoints).map_err(|(reason, hint)| fail(reason, hint))?);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

type Failure = (String, Option<String>);

fn value(name: &str, compose: &Compose, run: &RunId, endpoints: Endpoints<'_>) -> Result<String, Failure> {
    if name == "run.id" {
        return Ok(run.to_string());
    }
    let forms =
        || Some("known are `${SERVICE.host}`, `${SERVICE.port}`, `${SERVICE.port:5432}` and `${run.id}`".to_owned());
    let (service, what) = name.split_once('.').ok_or_else(|| (format!("`{name}` has no meaning"), forms()))?;
    let service = compose.services.get(service).ok_or_else(|| {
        let known: Vec<&str> = compose.services.keys().map(ServiceName::as_str).collect();
        (format!("there is no service `{service}`"), Some(crate::compose::offer(service, &known)))
    })?;
    let known = service.tcp_ports();
    let address = |port: u16| -> Result<SocketAddr, Failure> {
        endpoints(&service.name, port).ok_or_else(|| {
            let ports: Vec<String> = known.iter().map(ToString::to_string).collect();
            let hint = format!("ports of `{}`: {}; it must be running", service.name, ports.join(", "));
            (format!("port {port} of `{}` has no address", service.name), Some(hint))
        })
    };
    let first = || known.first().copied().ok_or_else(|| (format!("service `{}` has no port", service.name), None));
    match what.split_once(':') {
        None if what == "host" => Ok(address(first()?)?.ip().to_string()),
        None if what == "port" => Ok(address(first()?)?.port().to_string()),
        Some(("port", number)) => {
            let port = number.parse().map_err(|_| (format!("`{number}` isn't a port"), None))?;
            Ok(address(port)?.port().to_string())
        }
        _ => Err((format!("`{what}` of a service has no meaning"), forms())),
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::compose::sample;

    fn check(template: &str, expect: Result<&str, &str>) {
        let compose = sample(
            "services:\n  db: { image: postgres:15 }\n  app: { image: x, expose: [8080, 9090] }\n  job: { image: x }\n",
        );
        let endpoints = |service: &ServiceName, port: u16| {
            let known = [("db", 5432, 40_001), ("app", 8080, 40_002), ("app", 9090, 40_003)];
            let found = known.iter().find(|(name, inner, _)| *name == service.as_str() && *inner == port);
            found.map(|(.., outer)| SocketAddr::from(([127, 0, 0, 1], *outer)))
        };
        let run = RunId::new("r1").unwrap();
        let result = resolve(template, &compose, &run, &endpoints).map_err(|error| error.to_string());
        assert_eq!(result.as_deref().map_err(String::as_str), expect);
    }

    #[test]
    fn templates_get_real_addresses() {
        check("postgres://u:p@${db.host}:${db.port:5432}/x", Ok("postgres://u:p@127.0.0.1:40001/x"));
        check("http://${app.host}:${app.port}/${run.id}", Ok("http://127.0.0.1:40002/r1"));
        check("${app.port:9090} for 5$$", Ok("40003 for 5$"));
    }

    #[test]
    fn a_template_that_means_nothing_says_so() {
        check("${bd.host}", Err("`${bd.host}` can't be resolved: there is no service `bd`"));
        check("${db.port:1}", Err("`${db.port:1}` can't be resolved: port 1 of `db` has no address"));
        check("${db.port:x}", Err("`${db.port:x}` can't be resolved: `x` isn't a port"));
        check("${db.url}", Err("`${db.url}` can't be resolved: `url` of a service has no meaning"));
        check("${job.port}", Err("`${job.port}` can't be resolved: service `job` has no port"));
        check("${nothing}", Err("`${nothing}` can't be resolved: `nothing` has no meaning"));
        check("$x", Err("`$x` can't be resolved: a `$` must begin `${...}`; write `$$` for the character"));
    }
}
