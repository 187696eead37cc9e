//! Tests of making and describing plans.

use super::*;
use crate::config::{Config, Sources, TierConfig, load};
use insta::assert_snapshot;
use proptest::prelude::*;
use std::sync::LazyLock;
use tollgate_model::{
    EngineChoice, Export, Member, Partition, Plan, RegressionPolicy, ServiceName, StageName, TierName,
};

const CONFIG: &str = r#"
version = 1
default-stage = "all"
[environment]
compose = "ci/compose.yaml"
[exports]
DATABASE_URL = "postgres://${postgres.host}:${postgres.port:5432}/${run.id}"
CHAT_URL = "http://${chat.host}:${chat.port:8080}"
PLAIN = "x"
[tiers.unit]
filter = "kind(lib)"
budget = "30s"
[tiers.e2e]
filter = "binary(e2e)"
services = ["gateway"]
retries = 1
[tiers.performance]
filter = "binary(load)"
services = ["gateway"]
instrumented = false
packages = ["gateway", "chat"]
threads = 1
timeout = "1500ms"
[stages.quick]
tiers = ["unit"]
[stages.all]
tiers = ["unit", "e2e", "performance"]
[gates.suite]
budget = "5m"
[gates.load.performance]
p95 = "3s"
"#;

const POLICY: &str = r#"
version = 1
floor = 70
[[exclude]]
package = "chat"
reason = "generated"
"#;

/// Read once: the property tests make many plans.
static LOADED: LazyLock<Config> = LazyLock::new(|| {
    let named = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    load(&Sources { config: named("c", CONFIG), policy: Some(named("p", POLICY)), quarantine: None })
        .unwrap_or_else(|e| panic!("{e}"))
});

pub(super) fn config() -> Config {
    LOADED.clone()
}

fn facts(members: &[&str]) -> Facts {
    let member = |name: &&str| Member {
        name: (*name).to_owned(),
        directory: format!("platform/{name}"),
        binaries: vec![(*name).to_owned()],
    };
    Facts {
        workspace_root: "/w".into(),
        target_directory: "/w/target".into(),
        members: members.iter().map(member).collect(),
        touched: None,
    }
}

pub(super) fn tier(name: &str) -> TierName {
    TierName::new(name).unwrap()
}

fn stage(name: &str) -> StageName {
    StageName::new(name).unwrap()
}

pub(super) fn made(request: &Request) -> Plan {
    plan(&config(), &facts(&["gateway", "chat"]), request).unwrap()
}

/// Messages and hints of a request that can't be planned.
fn refused(request: &Request, members: &[&str]) -> String {
    told(&plan(&config(), &facts(members), request).unwrap_err())
}

pub(super) fn told(errors: &PlanErrors) -> String {
    let hints = errors.hints().into_iter().map(|hint| format!("hint: {hint}"));
    std::iter::once(errors.to_string()).chain(hints).collect::<Vec<_>>().join("\n")
}

fn running(plan: &Plan) -> Vec<&str> {
    plan.tiers_to_run().map(|tier| tier.name.as_str()).collect()
}

#[test]
fn a_plan_holds_everything_that_a_run_needs() {
    let plan = made(&Request { gates: true, ..Request::default() });
    assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap(), @r#"
    {
      "schema": 1,
      "stage": "all",
      "workspace-root": "/w",
      "target-directory": "/w/target",
      "members": [
        {
          "name": "chat",
          "directory": "platform/chat",
          "binaries": [
            "chat"
          ]
        },
        {
          "name": "gateway",
          "directory": "platform/gateway",
          "binaries": [
            "gateway"
          ]
        }
      ],
      "compose-file": "/w/ci/compose.yaml",
      "engine": "auto",
      "ready-timeout-ms": 60000,
      "exports": [
        {
          "name": "DATABASE_URL",
          "template": "postgres://${postgres.host}:${postgres.port:5432}/${run.id}"
        },
        {
          "name": "CHAT_URL",
          "template": "http://${chat.host}:${chat.port:8080}"
        },
        {
          "name": "PLAIN",
          "template": "x"
        }
      ],
      "builds": [
        {
          "kind": "instrumented",
          "cargo-profile": "dev",
          "packages": []
        },
        {
          "kind": "optimised",
          "cargo-profile": "performance",
          "packages": [
            "gateway",
            "chat"
          ]
        }
      ],
      "tiers": [
        {
          "name": "unit",
          "filter": "kind(lib)",
          "services": [],
          "budget-ms": 30000,
          "build": "instrumented",
          "retries": 0,
          "timeout-ms": 60000,
          "threads": null,
          "run": true
        },
        {
          "name": "e2e",
          "filter": "binary(e2e)",
          "services": [
            "gateway"
          ],
          "budget-ms": null,
          "build": "instrumented",
          "retries": 1,
          "timeout-ms": 60000,
          "threads": null,
          "run": true
        },
        {
          "name": "performance",
          "filter": "binary(load)",
          "services": [
            "gateway"
          ],
          "budget-ms": null,
          "build": "optimised",
          "retries": 0,
          "timeout-ms": 1500,
          "threads": 1,
          "run": true
        }
      ],
      "judged-tiers": [
        "unit",
        "e2e",
        "performance"
      ],
      "partition": null,
      "base": null,
      "only": null,
      "policy": {
        "coverage": {
          "floor-percent": 70,
          "floors": {},
          "patch-percent": 80,
          "excluded-packages": [
            {
              "what": "chat",
              "reason": "generated"
            }
          ],
          "excluded-paths": []
        },
        "suite-budget-ms": 300000,
        "load": {
          "performance": {
            "p95-ms": 3000,
            "error-percent": 5,
            "completion-percent": 80,
            "min-requests": 200
          }
        },
        "fail-on-flake": true
      }
    }
    "#);
}

#[test]
fn a_plan_is_described_in_80_columns() {
    let partition = Some(Partition { index: 1, count: 4 });
    assert_snapshot!(describe(&made(&Request { gates: true, partition, ..Request::default() })), @r#"
           Plan stage all: 3 of 3 tiers
      Workspace /w, 2 members
    Environment ci/compose.yaml, engine: compose where a container engine answers,
                else native; ready within 60 s
          Build instrumented, profile dev: the whole workspace
          Build optimised, profile performance: gateway, chat
            Run unit: kind(lib)
                instrumented build, budget 30 s, 60 s a test
            Run e2e: binary(e2e)
                instrumented build, services gateway, 60 s a test, 1 retry
            Run performance: binary(load)
                optimised build, services gateway, 1500 ms a test, 1 test at once
      Partition 1/4 of the tests of every tier
         Export DATABASE_URL=postgres://${postgres.host}:${postgres.port:5432}/${ru
                n.id}
         Export CHAT_URL=http://${chat.host}:${chat.port:8080}
         Export PLAIN=x
           Gate coverage of at least 70 % of the lines
                without chat: generated
           Gate suite within 300 s
           Gate load of performance: p95 under 3 s, errors under 5 %, 80 % of
                sessions completed, at least 200 requests
           Gate a test that passes only when tried again fails the run
    "#);
    let only = Some("test(login)".to_owned());
    assert_snapshot!(describe(&made(&Request { only, stage: Some(stage("quick")), ..Request::default() })), @r#"
           Plan stage quick: 1 of 3 tiers
      Workspace /w, 2 members
    Environment none, since no tier needs a service
          Build instrumented, profile dev: the whole workspace
            Run unit: kind(lib)
                instrumented build, budget 30 s, 60 s a test
           Skip e2e: binary(e2e)
           Skip performance: binary(load)
           Only test(login)
         Export DATABASE_URL=postgres://${postgres.host}:${postgres.port:5432}/${ru
                n.id}
         Export CHAT_URL=http://${chat.host}:${chat.port:8080}
         Export PLAIN=x
           Gate suite within 300 s
           Gate a test that passes only when tried again fails the run
    "#);
}

#[test]
fn every_tier_is_in_the_plan_and_those_asked_for_run() {
    let all = made(&Request::default());
    assert_eq!((running(&all), all.tiers.len()), (vec!["unit", "e2e", "performance"], 3));
    let quick = made(&Request { stage: Some(stage("quick")), ..Request::default() });
    assert_eq!((running(&quick), quick.tiers.len(), quick.stage.as_str()), (vec!["unit"], 3, "quick"));
    let narrowed = made(&Request { tiers: vec![tier("performance"), tier("unit")], ..Request::default() });
    assert_eq!(running(&narrowed), ["unit", "performance"], "tiers keep the order of the file");
}

#[test]
fn the_verdict_of_a_stage_speaks_of_all_its_tiers_also_of_those_that_were_not_asked_for() {
    let judged = |gates, tiers: &[&str], of: Option<&str>| -> Vec<String> {
        let tiers = tiers.iter().map(|name| tier(name)).collect();
        let plan = made(&Request { tiers, stage: of.map(stage), gates, ..Request::default() });
        plan.judged_tiers.iter().map(ToString::to_string).collect()
    };
    assert_eq!(judged(true, &[], None), ["unit", "e2e", "performance"]);
    assert_eq!(judged(true, &["e2e"], None), ["unit", "e2e", "performance"]);
    assert_eq!(judged(true, &[], Some("quick")), ["unit"]);
    assert_eq!(judged(false, &["e2e"], None), ["e2e"], "without gates only what was asked for");
    let unit = made(&Request { tiers: vec![tier("unit")], gates: true, ..Request::default() });
    assert_eq!(unit.left_out().map(|tier| tier.name.as_str()).collect::<Vec<_>>(), ["e2e", "performance"]);
}

#[test]
fn only_builds_and_services_that_tiers_need_are_planned() {
    let kinds = |plan: &Plan| plan.builds.iter().map(|build| build.cargo_profile.clone()).collect::<Vec<_>>();
    let unit = made(&Request { tiers: vec![tier("unit")], ..Request::default() });
    assert_eq!((kinds(&unit), unit.compose_file), (vec!["dev".to_owned()], None));
    let performance = made(&Request { tiers: vec![tier("performance")], gates: true, ..Request::default() });
    assert_eq!(kinds(&performance), ["performance"]);
    assert_eq!(performance.builds[0].packages, ["gateway", "chat"]);
    assert_eq!(performance.compose_file.unwrap(), "/w/ci/compose.yaml");
    assert!(performance.policy.coverage.is_some(), "the stage is judged by its coverage, which stays unproven");
    assert_eq!(performance.policy.load.len(), 1);
}

#[test]
fn one_build_of_tiers_with_packages_has_them_all_and_of_one_without_has_everything() {
    let mut config = config();
    let packages = vec!["chat".to_owned(), "identity".to_owned()];
    config.tiers[1] = TierConfig { name: tier("e2e"), packages, ..config.tiers[2].clone() };
    let members = facts(&["gateway", "chat", "identity"]);
    let plan_of = |config: &Config| plan(config, &members, &Request::default()).unwrap().builds[1].packages.clone();
    assert_eq!(plan_of(&config), ["chat", "identity", "gateway"]);
    config.tiers[1].packages.clear();
    assert_eq!(plan_of(&config), [""; 0]);
}

#[test]
fn a_narrowed_plan_is_not_judged_by_what_only_whole_tiers_can_keep() {
    let only = made(&Request { only: Some("test(x)".to_owned()), gates: true, ..Request::default() });
    assert_eq!((only.policy.coverage, only.policy.load.len()), (None, 0));
    let without = made(&Request { gates: false, ..Request::default() });
    assert_eq!((without.policy.coverage, without.builds.len()), (None, 2), "the builds are those of `ci`");
}

#[test]
fn times_are_compared_where_there_is_a_base_and_the_tier_runs_as_a_whole() {
    let mut config = config();
    let compared = RegressionPolicy { tier: tier("performance"), limit_percent: 3, pairs: 100, budget_ms: 300_000 };
    config.regression = Some(compared.clone());
    let with = |request: Request| plan(&config, &facts(&["gateway", "chat"]), &request).unwrap();
    let all = Request { base: Some("main".to_owned()), gates: true, ..Request::default() };
    let made = with(all.clone());
    assert_eq!(made.policy.regression, Some(compared));
    let line = "Gate tests of performance at most 3 % slower than on main, in up to 100";
    assert!(describe(&made).contains(line), "{}", describe(&made));
    for request in [
        Request { base: None, ..all.clone() },
        Request { gates: false, ..all.clone() },
        Request { only: Some("test(x)".to_owned()), ..all.clone() },
        Request { tiers: vec![tier("unit")], ..all.clone() },
        Request { stage: Some(stage("quick")), ..all },
    ] {
        assert_eq!(with(request.clone()).policy.regression, None, "{request:?}");
    }
}

#[test]
fn the_request_picks_the_engine_and_the_configuration_is_asked_otherwise() {
    assert_eq!(made(&Request::default()).engine, EngineChoice::Auto);
    let native = Request { engine: Some(EngineChoice::Native), ..Request::default() };
    assert_eq!(made(&native).engine, EngineChoice::Native);
}

#[test]
fn what_does_not_exist_is_named_with_what_does() {
    let members = ["gateway", "chat"];
    let request = Request { stage: Some(stage("qick")), tiers: vec![tier("e2f"), tier("load")], ..Request::default() };
    assert_snapshot!(refused(&request, &members), @r#"
    there is no stage `qick`; stages: quick, all
    there is no tier `e2f`; tiers: unit, e2e, performance
    there is no tier `load`; tiers: unit, e2e, performance
    hint: did you mean `quick`?
    hint: did you mean `e2e`?
    "#);
    let request = Request { stage: Some(stage("quick")), tiers: vec![tier("e2e")], ..Request::default() };
    assert_snapshot!(refused(&request, &members), @r#"
    stage `quick` does not run tier `e2e`; its tiers: unit
    hint: `--stage all` runs it
    "#);
    assert_snapshot!(refused(&Request { only: Some(" ".to_owned()), ..Request::default() }, &["gatway"]), @r#"
    tier `performance` names a package `gateway`, which is no member of the workspace
    tier `performance` names a package `chat`, which is no member of the workspace
    the coverage policy names a package `chat`, which is no member of the workspace
    the filter that narrows the tiers is empty
    hint: did you mean `gatway`?
    hint: members: gatway
    hint: write a nextest filterset, for example `test(login)`
    "#);
}

#[test]
fn a_tier_that_no_stage_runs_has_no_hint() {
    let error = PlanError::TierNotInStage { tier: tier("x"), stage: stage("a"), tiers: Vec::new(), stages: Vec::new() };
    assert!(error.hints().is_empty());
}

#[test]
fn an_export_is_for_the_tiers_that_have_its_services() {
    let exports = config().exports;
    let names = |services: &[&str]| {
        let services: Vec<ServiceName> = services.iter().map(|name| ServiceName::new(*name).unwrap()).collect();
        exports_for(&services, &exports).into_iter().map(|Export { name, .. }| name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["PLAIN"]);
    assert_eq!(names(&["postgres"]), ["DATABASE_URL", "PLAIN"]);
    assert_eq!(names(&["chat", "postgres"]), ["DATABASE_URL", "CHAT_URL", "PLAIN"]);
}

proptest! {
    /// However long its names are, a description keeps to its width and loses no letter.
    #[test]
    fn a_description_is_never_wider_than_80_columns(filter in "[a-zé()]{1,200}( [a-z]{1,30}){0,9}") {
        let mut plan = made(&Request { gates: true, ..Request::default() });
        plan.tiers[0].filter.clone_from(&filter);
        let text = describe(&plan);
        prop_assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
        prop_assert!(letters(&text).contains(&letters(&filter)));
    }
}
