//! Addresses in command lines.

use super::mapping::{Endpoints, WORDS, mapped};
use crate::compose::Sited;
use crate::{Compose, EnvError, Service};

/// The words of a service's process, mapped as its variables are: see [`Service::native_words`].
///
/// # Errors
/// When an address isn't known.
pub(crate) fn native_words(
    compose: &Compose,
    service: &Service,
    endpoints: Endpoints<'_>,
) -> Result<Vec<String>, EnvError> {
    let words = service.native_words().unwrap_or_else(|at| Sited { value: Vec::new(), at });
    let one = |word: &String| mapped(compose, service, WORDS, &Sited { value: word.clone(), at: words.at }, endpoints);
    let all: Result<_, String> = words.value.iter().map(one).collect();
    all.map_err(|message| EnvError::File(vec![compose.problem(words.at, message, None)]))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::compose::sample;
    use crate::resolve::mapping_problems;
    use std::net::SocketAddr;
    use tollgate_model::ServiceName;

    const FILE: &str = "
services:
  store: { image: 'redis:7', networks: [back] }
  app:
    image: x
    expose: [8080]
    networks: [NETWORK]
    command: [/app, --store, 'store:6379', --listen, '127.0.0.1:$${port}']
    x-tollgate: { binary: app }
networks: { back: , front: }
";

    #[test]
    fn addresses_in_arguments_become_real_ones() {
        let compose = sample(&FILE.replace("NETWORK", "back"));
        let endpoint = |service: &ServiceName, _: u16| {
            let port = if service.as_str() == "store" { 1 } else { 2 };
            Some(SocketAddr::from(([127, 0, 0, 1], port)))
        };
        let words = native_words(&compose, &compose.services["app"], &endpoint);
        assert_eq!(words.expect("they are known"), ["--store", "127.0.0.1:1", "--listen", "127.0.0.1:2"]);
    }

    #[test]
    fn a_service_that_an_option_names_as_a_host_has_no_address() {
        let problems = |words: &str| {
            let app = "app: { image: x, command: [/app, WORDS], x-tollgate: { binary: app } }".replace("WORDS", words);
            let compose = sample(&format!("services:\n  store: {{ image: 'redis:7' }}\n  {app}\n"));
            let app = [ServiceName::new("app").expect("a name")];
            mapping_problems(&compose, &app).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let told = "compose.yaml:3:29: `command` of service `app` has the service `store` as a host without a port, which \
                    has no address here";
        for words in
            ["--redis-host, store", "--server=store", "--host=store", "-addr, store, run", "--url, 'grpc://store'"]
        {
            assert_eq!(problems(words), [told], "{words}");
        }
        for words in ["store", "--name, store", "--mode=server, store", "--host=a, store", "--host, 'store:6379'"] {
            assert_eq!(problems(words), [""; 0], "{words}");
        }
    }

    #[test]
    fn a_service_of_another_network_is_out_of_reach() {
        let problems = |network: &str, without: &str| {
            let file = FILE.replace("NETWORK", network).replace("binary: app", &format!("binary: app{without}"));
            let compose = sample(&file);
            let app = [ServiceName::new("app").expect("a name")];
            mapping_problems(&compose, &app).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let told = "compose.yaml:8:14: service `app` names `store` in `command`, and is in none of its networks";
        assert_eq!(problems("front", ""), [told]);
        assert_eq!(problems("back", ""), [""; 0]);
        assert_eq!(problems("front", ", without: [networks]"), [""; 0]);
    }
}
