//! The RabbitMQ recipe: a node of its own that knows no other.
//!
//! Erlang's port mapper `epmd` would fork away and outlive the node, so each node has one of its own, on a port of its own and
//! in its own process group.

use super::limits;
use super::port;
use super::program::Found;
use crate::FileProblem;
use crate::compose::{Compose, Service};
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// Port of the management plugin, which images with `management` in their tag have.
const MANAGEMENT: u16 = 15672;

/// Variables of the official image that the recipe honours. The cookie is for other nodes, of which there are none.
const HONOURED: [&str; 4] =
    ["RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS", "RABBITMQ_DEFAULT_VHOST", "RABBITMQ_ERLANG_COOKIE"];

/// The port mapper first, so that the node does not start one that nobody stops.
const START: &str = "\
epmd -address 127.0.0.1 & \
until epmd -names >/dev/null 2>&1; do kill -0 $! || exit 1; done; \
exec \"$0\"";

/// Writes the settings below `home`, and returns the command line and the variables.
pub(super) fn launch(
    found: &Found,
    service: &Service,
    home: &Utf8Path,
    port: u16,
    ports: &BTreeMap<u16, u16>,
) -> io::Result<(Vec<String>, BTreeMap<String, String>)> {
    let management = has_management(service);
    let plugins = if management { "[rabbitmq_management]." } else { "[]." };
    fs::write(home.join("enabled_plugins"), plugins)?;
    fs::write(home.join("node.config"), settings(service, management.then(|| ports.get(&MANAGEMENT)).flatten()))?;
    fs::write(home.join("node-env.conf"), "")?;
    let path = |name: &str| home.join(name).into_string();
    let own = [
        ("HOME", home.to_string()),
        ("ERL_EPMD_PORT", port::free()?.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODENAME", "tollgate@localhost".to_owned()),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", port::free()?.to_string()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned()),
        ("RABBITMQ_CONF_ENV_FILE", path("node-env.conf")),
        ("RABBITMQ_CONFIG_FILE", path("node.config")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", path("generated")),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_LOGS", "-".to_owned()),
        ("RABBITMQ_PID_FILE", path("node.pid")),
    ];
    let environment = own.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    Ok((["sh", "-c", START, found.program.as_str()].map(str::to_owned).to_vec(), environment))
}

/// Erlang terms, in which any value can be written.
fn settings(service: &Service, management: Option<&u16>) -> String {
    let given = |name: &str| limits::own_variables(service).get(name).filter(|value| !value.is_empty()).cloned();
    let binary = |text: &str| format!("<<\"{}\"/utf8>>", text.replace('\\', "\\\\").replace('"', "\\\""));
    let names = ["user", "pass", "vhost"];
    let value = |name: &str| given(&format!("RABBITMQ_DEFAULT_{}", name.to_uppercase()));
    let defaults = names.iter().filter_map(|name| Some(format!("{{default_{name}, {}}}", binary(&value(name)?))));
    // As in the official image, `guest` may connect from everywhere; here that is this machine.
    let rabbit: Vec<String> = defaults.chain(["{loopback_users, []}".to_owned()]).collect();
    let management = management
        .map(|port| format!(", {{rabbitmq_management, [{{tcp_config, [{{ip, \"127.0.0.1\"}}, {{port, {port}}}]}}]}}"));
    format!("[{{rabbit, [{}]}}{}].\n", rabbit.join(", "), management.unwrap_or_default())
}

fn has_management(service: &Service) -> bool {
    service.image.as_ref().is_some_and(|image| image.value.contains("-management"))
}

/// What a process of this machine can't do of what the file asks of the image.
pub(super) fn unsupported(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let mut problems = limits::unsupported_mounts(compose, service, "/var/lib/rabbitmq");
    problems.extend(limits::unsupported_command(compose, service, "rabbitmq-server"));
    problems.extend(limits::unsupported_files(compose, service, &["RABBITMQ_"]));
    let refused = |key: &str| key.starts_with("RABBITMQ_") && !key.ends_with("_FILE") && !HONOURED.contains(&key);
    problems.extend(limits::unsupported_variables(compose, service, refused));
    problems.extend(limits::flags(service, "rabbitmq-server").first().and_then(|word| {
        limits::unsupported_flag(compose, service, word, "the node is set up by the variables of its image")
    }));
    problems
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::compose::sample;

    #[test]
    fn the_variables_of_the_image_become_settings() {
        let compose = sample(
            "services:\n  q:\n    image: rabbitmq:3.13-management\n    environment: { RABBITMQ_DEFAULT_USER: 'a\"b', RABBITMQ_DEFAULT_PASS: 'c\\d' }\n",
        );
        let service = &compose.services["q"];
        assert!(has_management(service));
        assert_eq!(
            settings(service, Some(&7)),
            "[{rabbit, [{default_user, <<\"a\\\"b\"/utf8>>}, {default_pass, <<\"c\\\\d\"/utf8>>}, {loopback_users, []}]}, \
             {rabbitmq_management, [{tcp_config, [{ip, \"127.0.0.1\"}, {port, 7}]}]}].\n"
        );
        assert_eq!(unsupported(&compose, service), []);
    }

    #[test]
    fn what_is_for_other_nodes_is_refused_with_its_place() {
        let compose = sample(
            "services:\n  q:\n    image: rabbitmq:3\n    command: [rabbitmq-server, -detached]\n    \
             environment: { RABBITMQ_NODENAME: a@b, RABBITMQ_DEFAULT_PASS_FILE: /x }\n    volumes: ['./c:/etc/rabbitmq']\n",
        );
        let problems = unsupported(&compose, &compose.services["q"]);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "compose.yaml:6:15: service `q` mounts `/etc/rabbitmq`, which its native form has no use for",
                "compose.yaml:5:72: service `q` reads `RABBITMQ_DEFAULT_PASS_FILE`, a file of its container",
                "compose.yaml:5:39: service `q` sets `RABBITMQ_NODENAME`, which its native form can't honour",
                "compose.yaml:4:14: service `q` has the flag `-detached`, which its native form can't honour",
            ]
        );
    }
}
