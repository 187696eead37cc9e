//! A plan and the evidence of a run, in which every gate passes; tests change one thing in it.

use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{
    Attempt, AttemptOutcome, BuildEvidence, BuildKind, BuildPlan, CoverageEvidence, CoveragePolicy, CoverageProof,
    Ending, EngineChoice, EngineKind, EnvironmentEvidence, Evidence, Exclusion, FileCoverage, LineCount, LoadEvidence,
    LoadLimits, MachineEvidence, Member, Plan, Policy, Reach, RunId, RunInfo, SCHEMA, ServiceEvidence, ServiceName,
    ServiceProfile, ServiceState, StageName, TeardownEvidence, TestId, TestResult, TierEvidence, TierName, TierPlan,
    TierStatus,
};

pub(crate) fn tier(name: &str) -> TierName {
    TierName::new(name).expect("a valid name")
}

pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::new(name).expect("a valid name")
}

fn member(name: &str, binaries: &[&str]) -> Member {
    let binaries = binaries.iter().map(|&binary| binary.to_owned()).collect();
    Member { name: name.into(), directory: format!("crates/{name}"), binaries }
}

fn tier_plan(name: &str, services: &[&str], budget_s: u64, build: BuildKind) -> TierPlan {
    TierPlan {
        name: tier(name),
        filter: format!("binary({name})"),
        services: services.iter().map(|name| service(name)).collect(),
        budget_ms: Some(budget_s * 1000),
        test_budget_ms: None,
        build,
        retries: 1,
        timeout_ms: 60_000,
        threads: None,
        run: true,
    }
}

fn policy() -> Policy {
    let excluded = Exclusion { what: "harness".into(), reason: "only tests use it".into() };
    let limits = LoadLimits { p95_ms: 3000, error_percent: 5, completion_percent: 80, min_requests: 200 };
    Policy {
        coverage: Some(CoveragePolicy {
            floor_percent: 80,
            patch_percent: 80,
            floors: BTreeMap::new(),
            excluded_packages: vec![excluded],
            excluded_paths: Vec::new(),
        }),
        suite_budget_ms: Some(300_000),
        load: BTreeMap::from([(tier("performance"), limits)]),
        fail_on_flake: true,
        new_tests: None,
        change_flakes: None,
        regression: None,
        quarantine: Vec::new(),
        bands: BTreeSet::new(),
    }
}

/// Four tiers over a workspace of three members, one of them excluded from coverage.
pub(crate) fn plan() -> Plan {
    Plan {
        schema: SCHEMA,
        stage: StageName::new("dev").expect("a valid name"),
        workspace_root: "/w".into(),
        target_directory: "/w/target".into(),
        members: vec![member("core", &[]), member("harness", &[]), member("identity", &["identity"])],
        compose_file: Some("/w/ci/compose.yaml".into()),
        engine: EngineChoice::Auto,
        ready_timeout_ms: 60_000,
        exports: Vec::new(),
        builds: vec![BuildPlan { kind: BuildKind::Instrumented, cargo_profile: "dev".into(), packages: Vec::new() }],
        tiers: vec![
            tier_plan("unit", &[], 30, BuildKind::Instrumented),
            tier_plan("integration", &["postgres"], 120, BuildKind::Instrumented),
            tier_plan("e2e", &["identity"], 120, BuildKind::Instrumented),
            tier_plan("performance", &["identity"], 120, BuildKind::Optimised),
        ],
        judged_tiers: ["unit", "integration", "e2e", "performance"].map(tier).into(),
        partition: None,
        base: None,
        reach: None,
        only: None,
        policy: policy(),
    }
}

/// A change that reaches every package but these, and that the environment of tier `e2e` runs.
pub(crate) fn reach(left_out: &[&str]) -> Reach {
    let names = plan().members.into_iter().map(|member| member.name);
    let (left_out, packages): (Vec<String>, Vec<String>) = names.partition(|name| left_out.contains(&name.as_str()));
    Reach {
        everything: None,
        packages: packages.into_iter().map(|name| (name, "its src/lib.rs differs".to_owned())).collect(),
        left_out: left_out.into_iter().map(|name| (name, "it does not depend on what differs".to_owned())).collect(),
        served: [(tier("e2e"), "service identity is reached".to_owned())].into(),
    }
}

pub(crate) fn passed(duration_ms: u64) -> Attempt {
    Attempt { outcome: AttemptOutcome::Passed, duration_ms, message: String::new(), output: String::new() }
}

pub(crate) fn failed(duration_ms: u64, message: &str, output: &str) -> Attempt {
    Attempt { outcome: AttemptOutcome::Failed, duration_ms, message: message.into(), output: output.into() }
}

pub(crate) fn tier_evidence(name: &str, binary: &str, tests: &[(&str, u64)]) -> TierEvidence {
    let id = |test: &str| TestId::new(binary, test);
    TierEvidence {
        name: tier(name),
        status: TierStatus::Ran,
        planned: tests.iter().map(|(test, _)| id(test)).collect(),
        results: tests.iter().map(|&(test, ms)| TestResult { id: id(test), attempts: vec![passed(ms)] }).collect(),
        wall_ms: tests.iter().map(|(_, ms)| ms).sum::<u64>() + 100,
        machine: None,
    }
}

/// Makes a tier one of so many tests, of which so many fail.
pub(crate) fn fail(tier: &mut TierEvidence, tests: u64, failing: u64) {
    let id = |test: u64| TestId::new("core", format!("a::case_{test:02}"));
    let attempts = |test: u64| vec![if test <= failing { failed(5, "left != right", "") } else { passed(5) }];
    tier.planned = (1..=tests).map(id).collect();
    tier.results = (1..=tests).map(|test| TestResult { id: id(test), attempts: attempts(test) }).collect();
}

/// Makes a tier one of 41 s on a machine that others use, with so much CPU time.
pub(crate) fn contend(tier: &mut TierEvidence, cpu_ms: u64) {
    for (test, ms) in tier.results.iter_mut().zip([14_000, 13_700, 13_400]) {
        test.attempts = vec![passed(ms)];
    }
    tier.wall_ms = 41_200;
    tier.machine = Some(MachineEvidence {
        cpu_ms,
        foreign_permille: 800,
        pressure_permille: 640,
        steal_permille: 0,
        speed_permille: 420,
    });
}

fn lines(path: &str, package: &str, counts: &[[u64; 3]], test_spans: Vec<(u32, u32)>) -> FileCoverage {
    let line = |(line, counts): (u32, &[u64; 3])| LineCount { line, counts: counts.to_vec() };
    FileCoverage {
        path: path.into(),
        package: package.into(),
        lines: (1..).zip(counts).map(line).collect(),
        test_spans,
    }
}

/// 17 of 20 production lines are covered, and two lines of test code on top.
pub(crate) fn coverage() -> CoverageEvidence {
    let mut core = vec![[3, 0, 0]; 8];
    core.extend([[0, 0, 0], [0, 0, 0], [9, 0, 0], [9, 0, 0]]);
    let mut identity = vec![[0, 4, 0]; 5];
    identity.extend([[0, 0, 7], [0, 1, 7], [0, 0, 7], [0, 0, 7], [0, 0, 0]]);
    CoverageEvidence {
        tiers: ["unit", "integration", "e2e"].map(tier).into(),
        files: vec![
            lines("crates/core/src/lib.rs", "core", &core, vec![(11, 12)]),
            lines("crates/identity/src/main.rs", "identity", &identity, Vec::new()),
        ],
        unmeasured: BTreeMap::new(),
        proof: CoverageProof {
            services: vec![ServiceProfile { service: service("identity"), instrumented: true, profiles: 1, empty: 0 }],
            profiles: ["unit", "integration", "e2e"].map(|name| (tier(name), 3)).into(),
            empty_profiles: 0,
            complaints: Vec::new(),
        },
    }
}

pub(crate) fn service_evidence(name: &str, program: &str, state: ServiceState) -> ServiceEvidence {
    ServiceEvidence {
        name: service(name),
        program: program.into(),
        version: None,
        state,
        ready_ms: Some(400),
        log: Some(format!("services/{name}.log").into()),
        log_tail: Vec::new(),
    }
}

fn environment() -> EnvironmentEvidence {
    let mut postgres = service_evidence("postgres", "postgres:17", ServiceState::Ready);
    postgres.version = Some("17.5".into());
    EnvironmentEvidence {
        engine: EngineKind::Native,
        engine_reason: "auto: no container engine answers".into(),
        services: vec![postgres, service_evidence("identity", "identity", ServiceState::Ready)],
        ready_ms: 900,
        teardown: Some(TeardownEvidence { wall_ms: 300, leftovers: Vec::new(), kept: false }),
    }
}

pub(crate) fn load() -> LoadEvidence {
    LoadEvidence {
        name: "chat".into(),
        users: 5,
        requests: 1500,
        errors: 0,
        latencies_us: (0..1500).map(|i| 18_000 + i * 10).collect(),
        sessions: 50,
        sessions_completed: 50,
        sent_late: 3,
        wall_ms: 60_000,
        samples: Vec::new(),
        extended: 0,
    }
}

/// The measurements of the performance tier.
pub(crate) fn loads(evidence: &mut Evidence) -> &mut Vec<LoadEvidence> {
    evidence.load.entry(tier("performance")).or_default()
}

/// The first measurement.
pub(crate) fn first_load(evidence: &mut Evidence) -> &mut LoadEvidence {
    &mut loads(evidence)[0]
}

/// A run in which everything is well.
pub(crate) fn evidence() -> Evidence {
    let mut unit = tier_evidence("unit", "core", &[("a::adds", 5), ("a::parses", 7), ("b::refuses", 9)]);
    unit.results.push(TestResult { id: TestId::new("core", "b::later"), attempts: Vec::new() });
    let run = RunInfo {
        id: RunId::new("20261121-093055-4711").expect("a valid name"),
        started_at: "2026-11-21T09:30:55Z".parse().expect("a valid time"),
        stage: StageName::new("dev").expect("a valid name"),
        commit: Some("4f2a9c1e77d0b1a2c3d4e5f60718293a4b5c6d7e".into()),
        dirty: false,
        toolchain: "rustc 1.95.0".into(),
        partition: None,
        parts: Vec::new(),
        wall_ms: 95_400,
    };
    Evidence {
        builds: vec![
            BuildEvidence { name: "instrumented".into(), wall_ms: 41_000 },
            BuildEvidence { name: "performance".into(), wall_ms: 22_500 },
        ],
        environment: Some(environment()),
        tiers: vec![
            unit,
            tier_evidence("integration", "identity::integration", &[("login::works", 800), ("login::expires", 1200)]),
            tier_evidence("e2e", "harness::e2e", &[("scenario_a", 4200)]),
            tier_evidence("performance", "harness::load", &[("chat", 20_000)]),
        ],
        coverage: Some(coverage()),
        load: BTreeMap::from([(tier("performance"), vec![load()])]),
        ..Evidence::new(run, Ending::Completed)
    }
}

/// Makes a run red in many ways: a failed and a flaky test, a service that died, coverage below its floor, slow requests.
pub(crate) fn make_red(evidence: &mut Evidence) {
    let panic = "thread 'a::parses' panicked at crates/core/src/a.rs:41:9:\nassertion `left == right` failed\n  left: \"<b>|x|</b>\"\n right: \"`y` & *z*\"";
    evidence.tiers[0].results[1].attempts = vec![failed(7, "assertion `left == right` failed: <b>|x|</b>", panic); 2];
    evidence.tiers[0].results[2].attempts = vec![failed(31, "the clock went backwards", "tick\ntock"), passed(9)];
    let refused =
        "called `Result::unwrap()` on an `Err` value: Connection refused (os error 111), http://127.0.0.1:43211";
    let output = format!("GET /health\n\u{1b}[31m{refused}\u{1b}[0m\nnote: run with `RUST_BACKTRACE=1`");
    evidence.tiers[2].results[0].attempts = vec![failed(4200, refused, &output), failed(4100, refused, &output)];
    evidence.run.dirty = true;
    let Some(environment) = &mut evidence.environment else { return };
    environment.services[1].state = ServiceState::Died { how: "signal SIGKILL".into() };
    environment.services[1].log_tail =
        ["listening on 127.0.0.1:43211", "WARN pool <2> is `full` | waiting", "memory 97 %"].map(str::to_owned).into();
    let counted = evidence.coverage.iter_mut().flat_map(|coverage| &mut coverage.files[1].lines);
    for line in counted.skip(4).take(3) {
        line.counts.fill(0);
    }
    let load = first_load(evidence);
    load.latencies_us.truncate(1388);
    load.errors = 65;
}
