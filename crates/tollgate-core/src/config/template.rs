//! Templates of exported variables: text with `${service.host}`, `${service.port:5432}` and `${run.id}` in it.

use tollgate_model::ServiceName;

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Placeholder {
    /// The name of the run.
    RunId,
    /// An address of a service.
    Service(ServiceName),
}

const FORMS: &str = "a placeholder is `${service.host}`, `${service.port:5432}` or `${run.id}`";

/// Names the services that a template refers to, each once, in order of appearance.
///
/// Malformed placeholders are left out; a checked configuration has none.
pub fn export_services(template: &str) -> Vec<ServiceName> {
    let mut services = Vec::new();
    for placeholder in placeholders(template).filter_map(|text| text.and_then(placeholder).ok()) {
        if let Placeholder::Service(service) = placeholder
            && !services.contains(&service)
        {
            services.push(service);
        }
    }
    services
}

/// Checks the form of every placeholder.
///
/// # Errors
/// The first malformed one as a message, with a hint that shows the forms there are.
pub(super) fn check(template: &str) -> Result<(), (String, String)> {
    for text in placeholders(template) {
        text.and_then(placeholder).map_err(|message| (message, FORMS.to_owned()))?;
    }
    Ok(())
}

/// The texts between `${` and `}`; an error for one that is not closed.
fn placeholders(template: &str) -> impl Iterator<Item = Result<&str, String>> {
    template.split("${").skip(1).map(|rest| {
        let (inside, _) = rest.split_once('}').ok_or_else(|| format!("`${{{rest}` has no closing `}}`"))?;
        Ok(inside)
    })
}

fn placeholder(text: &str) -> Result<Placeholder, String> {
    if text == "run.id" {
        return Ok(Placeholder::RunId);
    }
    let (service, what) = text.split_once('.').ok_or_else(|| format!("`${{{text}}}` is not a placeholder"))?;
    let service = ServiceName::new(service).map_err(|error| error.to_string())?;
    match what.split_once(':') {
        None if what == "host" => Ok(Placeholder::Service(service)),
        None if what == "port" => Err(format!("`${{{text}}}` does not say which port of the service is meant")),
        Some(("port", number)) if number.parse::<u16>().is_ok_and(|port| port > 0) => Ok(Placeholder::Service(service)),
        Some(("port", number)) => Err(format!("`{number}` in `${{{text}}}` is not a port from 1 to 65535")),
        _ => Err(format!("`${{{text}}}` is not a placeholder: `{what}` is neither `host` nor `port:NUMBER`")),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn names(template: &str) -> Vec<String> {
        export_services(template).into_iter().map(String::from).collect()
    }

    #[test]
    fn a_template_names_each_service_once_and_the_run_is_none() {
        assert_eq!(names("http://${chat.host}:${chat.port:8080}/${run.id}?db=${postgres.host}"), ["chat", "postgres"]);
        assert_eq!(names("costs $5 {a} ${broken"), [""; 0]);
    }

    #[test]
    fn a_malformed_placeholder_is_named() {
        let cases = [
            ("${postgres.host", "`${postgres.host` has no closing `}`"),
            ("${postgres}", "`${postgres}` is not a placeholder"),
            ("${Post.host}", "`Post` is not a valid name: 1 to 63 of a-z, 0-9, `-` and `_`, a letter or digit first"),
            ("${postgres.port}", "`${postgres.port}` does not say which port of the service is meant"),
            ("${postgres.port:0}", "`0` in `${postgres.port:0}` is not a port from 1 to 65535"),
            ("${a.user}", "`${a.user}` is not a placeholder: `user` is neither `host` nor `port:NUMBER`"),
            (
                "ok ${run.id} ${run.name}",
                "`${run.name}` is not a placeholder: `name` is neither `host` nor `port:NUMBER`",
            ),
        ];
        for (template, expect) in cases {
            assert_eq!(check(template), Err((expect.to_owned(), FORMS.to_owned())), "{template}");
        }
        assert_eq!(check("${postgres.host}:${postgres.port:5432} ${run.id} $HOME"), Ok(()));
    }
}
