//! No key of the specification is passed over.

use super::keys::*;
use super::sample;
use crate::compose::Compose;
use std::collections::BTreeSet;

/// Keys of the specification, by place.
const SPECIFICATION: &str = include_str!("specification.txt");

/// A file with one service that is a process of this machine, and these lines of it from line 3 on.
fn file(keys: &str) -> Compose {
    sample(&format!(
        "services:\n  app:\n{keys}    image: x\n    x-tollgate: {{ binary: app }}\nnetworks: {{ back: {{ internal: true }} }}\n\
         volumes: {{ kept: {{ external: true }}, plain: {{ driver: local }} }}\n"
    ))
}

/// What a process of this machine, or anybody, can't have of the service, with the remedy.
fn problems(compose: &Compose) -> Vec<String> {
    let app = &compose.services["app"];
    let all = refused(compose, app).into_iter().chain(container_only(compose, app));
    all.map(|problem| format!("{problem} ({})", problem.hint.clone().unwrap_or_default())).collect()
}

#[test]
fn every_key_of_the_specification_is_in_one_group_and_no_other_key_is() {
    let places = SPECIFICATION.lines().filter(|line| !line.starts_with('#'));
    let mut seen = 0;
    for (place, specified) in places.filter_map(|line| line.split_once(": ")) {
        let ours: Vec<&str> = known(place).unwrap_or_else(|| panic!("nothing is known about {place}"));
        let set: BTreeSet<&str> = ours.iter().copied().collect();
        assert_eq!(set.len(), ours.len(), "a key of {place} is in two groups");
        assert_eq!(set, specified.split(' ').collect(), "{place}");
        seen += 1;
    }
    assert_eq!(seen, 14);
}

#[test]
fn a_key_is_honoured_idle_or_an_error_that_names_service_key_and_line() {
    for (treatment, keys) in SERVICE {
        for key in keys.split(' ') {
            if *treatment == Treatment::Honoured || key == "build" {
                continue;
            }
            let said = problems(&file(&format!("    {key}: x\n")));
            match treatment {
                Treatment::Container | Treatment::IdleInRecipe(_) => assert_eq!(
                    said,
                    [format!(
                        "compose.yaml:3:5: service `app` sets `{key}`, which only a container has \
                         (`x-tollgate: {{ without: [{key}] }}` lets it run without, `--engine compose` honours it)"
                    )]
                ),
                Treatment::Refused(remedy) => assert_eq!(
                    said,
                    [format!("compose.yaml:3:5: service `app` sets `{key}`, which a test run can't have ({remedy})")]
                ),
                _ => assert_eq!(said, [""; 0], "{key}"),
            }
        }
    }
}

#[test]
fn the_file_can_say_that_a_service_does_without() {
    let compose = sample(
        "services:\n  app:\n    image: x\n    mem_limit: 1g\n    deploy: { resources: { limits: { cpus: '1' } } }\n    \
         x-tollgate: { binary: app, without: [mem_limit, deploy] }\n",
    );
    assert_eq!(problems(&compose), [""; 0]);
}

#[test]
fn what_asks_for_nothing_is_no_problem_and_neither_is_what_a_recipe_has_anyway() {
    let idle = "    tty: false\n    privileged: 'false'\n    scale: 1\n    secrets: []\n    mem_limit:\n    sysctls: {}\n    \
                deploy: { replicas: 1, labels: [a=b] }\n    networks: { default: { priority: 5 } }\n    volumes: ['plain:/data']\n";
    assert_eq!(problems(&file(idle)), [""; 0]);
    let recipe = "services:\n  app: { image: 'postgres:15', user: '1000', hostname: db, tmpfs: /tmp }\n";
    assert_eq!(problems(&sample(recipe)), [""; 0]);
}

#[test]
fn keys_inside_of_others_are_looked_at() {
    let check = |keys: &str, expect: &str| {
        let said = problems(&file(keys));
        assert!(said.len() == 1 && said[0].contains(expect), "{keys} {said:#?}");
    };
    check("    deploy: { replicas: 2 }\n", "3:15: service `app` sets `deploy.replicas`, which a test run can't have");
    check(
        "    deploy: { resources: { limits: { cpus: '1' } } }\n",
        "3:15: service `app` sets `deploy.resources`, which only",
    );
    check("    networks: { default: { aliases: [db] } }\n", "3:28: service `app` sets `networks.aliases`, which only");
    check(
        "    networks: [back]\n",
        "3:16: service `app` has `back` of `networks`, whose `internal` only a container has",
    );
    check(
        "    volumes: ['kept:/data']\n",
        "3:15: service `app` has `kept` of `volumes`, whose `external` only a container",
    );
}

#[test]
fn a_service_that_names_no_network_has_the_settings_of_the_default_one() {
    let with = |settings: &str| {
        let app = "services:\n  app: { image: x, x-tollgate: { binary: app } }\n";
        problems(&sample(&format!("{app}networks: {{ default: {settings} }}\n")))
    };
    let said = with("{ external: true, name: corp }");
    let expect = "service `app` has `default` of `networks`, whose `external` only a container has";
    assert!(said.len() == 1 && said[0].contains(expect), "{said:#?}");
    assert!(with("{ internal: true }")[0].contains("whose `internal`"));
    assert_eq!(with("{ driver: bridge }"), [""; 0]);
}
