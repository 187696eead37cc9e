//! Causes, gathered from the tests that show them.

use super::symptom::{CauseKind, Symptom, find};
use std::collections::BTreeMap;
use tollgate_model::{
    Evidence, ServiceEvidence, ServiceName, ServiceState, TestId, TestOutcome, TestResult, TierEvidence,
};

/// Something about the environment that made tests fail, as their output suggests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What is wrong.
    pub kind: CauseKind,
    /// The line of a test's output that shows it.
    pub symptom: String,
    /// The tests that show it, in the order of their tiers.
    pub tests: Vec<TestId>,
    /// The service that it is about, as far as that can be told.
    pub service: Option<ServiceName>,
    /// How that service was last seen, where it did not end well.
    pub state: Option<String>,
    /// The last lines of that service's log.
    pub log_tail: Vec<String>,
    /// What to do about it.
    pub hint: String,
}

/// Lines of one output that are searched.
const LINES_MAX: usize = 10_000;

/// Finds the causes that the output of failed and flaky tests suggests; those that most tests show come first.
pub fn causes(evidence: &Evidence) -> Vec<Cause> {
    let services = evidence.environment.as_ref().map_or(&[][..], |environment| &environment.services);
    let mut found: BTreeMap<(CauseKind, Option<&ServiceName>), Cause> = BTreeMap::new();
    for (test, symptom) in evidence.tiers.iter().flat_map(unhappy).filter_map(|test| Some((test, symptom_of(test)?))) {
        let service = guess(&symptom, services);
        let key = (symptom.kind, service.map(|service| &service.name));
        found.entry(key).or_insert_with(|| cause(&symptom, service)).tests.push(test.id.clone());
    }
    let mut causes: Vec<Cause> = found.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.tests.len()));
    causes
}

fn unhappy(tier: &TierEvidence) -> impl Iterator<Item = &TestResult> {
    tier.results.iter().filter(|test| matches!(test.outcome(), TestOutcome::Failed | TestOutcome::Flaky))
}

fn symptom_of(test: &TestResult) -> Option<Symptom> {
    let attempts = test.attempts.iter().flat_map(|attempt| [&attempt.message, &attempt.output]);
    // A test that prints without end may not make a report take as long.
    attempts.flat_map(|text| text.lines().take(LINES_MAX)).find_map(find)
}

fn cause(symptom: &Symptom, service: Option<&ServiceEvidence>) -> Cause {
    Cause {
        kind: symptom.kind,
        symptom: symptom.line.clone(),
        tests: Vec::new(),
        service: service.map(|service| service.name.clone()),
        state: service.and_then(|service| trouble(&service.state)),
        log_tail: service.map(|service| service.log_tail.clone()).unwrap_or_default(),
        hint: symptom.kind.hint().to_owned(),
    }
}

/// Whether the end of a service's log belongs into a report, also where no test shows a cause: it did not end well.
pub(crate) fn has_telling_log(service: &ServiceEvidence) -> bool {
    !service.log_tail.is_empty() && trouble(&service.state).is_some()
}

/// How a service that did not end well was last seen.
pub(crate) fn trouble(state: &ServiceState) -> Option<String> {
    match state {
        ServiceState::Ready | ServiceState::Completed => None,
        ServiceState::NeverReady { last_seen } => Some(format!("never became ready: {last_seen}")),
        ServiceState::Died { how } => Some(format!("ended while it was needed: {how}")),
        ServiceState::NotStarted => Some("was not started".to_owned()),
    }
}

/// The service a symptom is about: the one it names, the one of its port or its kind of server, or the only one in trouble.
fn guess<'a>(symptom: &Symptom, services: &'a [ServiceEvidence]) -> Option<&'a ServiceEvidence> {
    let named = || services.iter().find(|service| symptom.words().any(|word| word == service.name.as_str()));
    let served = || symptom.server().and_then(|server| services.iter().find(|service| runs(service, server)));
    let mut troubled = services.iter().filter(|service| trouble(&service.state).is_some());
    let only = || troubled.next().filter(|_| symptom.kind.is_about_a_connection() && troubled.next().is_none());
    named().or_else(served).or_else(only)
}

/// Whether a service is a server of this kind, by its program or its name: `postgres:17`, `/usr/lib/postgresql/17/bin/postgres`.
fn runs(service: &ServiceEvidence, server: &str) -> bool {
    service.program.contains(server) || service.name.as_str().contains(server)
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::sample::{self, failed, passed};

    /// The causes when tests of the integration tier fail with these messages.
    fn check(messages: &[&str], change: impl FnOnce(&mut [ServiceEvidence])) -> String {
        let mut evidence = sample::evidence();
        change(&mut evidence.environment.as_mut().unwrap().services);
        let tests = messages.iter().enumerate().map(|(i, message)| TestResult {
            id: TestId::new("x", format!("t{i}")),
            attempts: vec![failed(1, "panicked", &format!("first line\n  {message}  \nlast line"))],
        });
        evidence.tiers[1].results = tests.collect();
        let lines = causes(&evidence).into_iter().map(|cause| {
            let tests: Vec<_> = cause.tests.iter().map(|test| test.name.as_str()).collect();
            let service = cause.service.map_or("?".to_owned(), |service| service.to_string());
            let state = cause.state.map_or(String::new(), |state| format!(" {state}"));
            let tail =
                if cause.log_tail.is_empty() { String::new() } else { format!(" | {}", cause.log_tail.join(" / ")) };
            format!("{} of {service}{state} in {}: {}{tail}", cause.kind, tests.join(" "), cause.symptom)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn symptoms_are_gathered_by_cause_and_service() {
        insta::assert_snapshot!(check(&[
            "Connection refused (os error 111), 127.0.0.1:5432",
            "error: database \"app\" does not exist",
            "error communicating with database: Connection refused at port 5432",
            "could not connect to identity: Connection refused",
            "relation \"users\" already exists",
            "relation \"users\" does not exist",
            "permission denied for table users",
            "password authentication failed for user \"app\"",
            "NOAUTH Authentication required.",
            "Address already in use (os error 98)",
            "pool timed out while waiting for an open connection",
            "Broken pipe (os error 32) while talking to redis://127.0.0.1:6379",
            "assertion failed: left == right",
        ], |_| ()), @r#"
        connection refused of postgres in t0 t2: Connection refused (os error 111), 127.0.0.1:5432
        connection refused of identity in t3: could not connect to identity: Connection refused
        no connection in time of postgres in t10: pool timed out while waiting for an open connection
        connection closed of ? in t11: Broken pipe (os error 32) while talking to redis://127.0.0.1:6379
        database missing of postgres in t1: error: database "app" does not exist
        table missing of postgres in t5: relation "users" does not exist
        already exists of postgres in t4: relation "users" already exists
        authentication failed of ? in t8: NOAUTH Authentication required.
        authentication failed of postgres in t7: password authentication failed for user "app"
        permission denied of postgres in t6: permission denied for table users
        address in use of ? in t9: Address already in use (os error 98)
        "#);
    }

    #[test]
    fn the_only_service_in_trouble_is_the_likely_one_with_its_log() {
        let die = |service: &mut ServiceEvidence| {
            service.state = ServiceState::Died { how: "signal SIGKILL".into() };
            service.log_tail = vec!["listening".into(), "out of memory".into()];
        };
        let refused = ["tcp connect error: Connection refused (os error 111)"];
        insta::assert_snapshot!(check(&refused, |services| die(&mut services[1])), @"connection refused of identity ended while it was needed: signal SIGKILL in t0: tcp connect error: Connection refused (os error 111) | listening / out of memory");
        insta::assert_snapshot!(check(&refused, |services| services.iter_mut().for_each(die)), @"connection refused of ? in t0: tcp connect error: Connection refused (os error 111)");
        insta::assert_snapshot!(check(&["Permission denied (os error 13)"], |services| die(&mut services[1])), @"permission denied of ? in t0: Permission denied (os error 13)");
    }

    #[test]
    fn a_flaky_test_shows_causes_and_a_passed_one_none() {
        let mut evidence = sample::evidence();
        assert_eq!(causes(&evidence), []);
        evidence.tiers[0].results[0].attempts = vec![failed(1, "connection refused", ""), passed(1)];
        let causes = causes(&evidence);
        assert_eq!((causes.len(), causes[0].kind), (1, CauseKind::ConnectionRefused));
        evidence.environment = None;
        assert_eq!(super::causes(&evidence)[0].service, None);
    }

    #[test]
    fn a_server_is_known_by_its_program_or_its_name_and_a_log_is_told_of_trouble_alone() {
        let mut service = sample::evidence().environment.unwrap().services[0].clone();
        (service.name, service.program) = (tollgate_model::ServiceName::new("db").unwrap(), "/usr/bin/postgres".into());
        assert!(runs(&service, "postgres") && !runs(&service, "redis"));
        (service.name, service.program) = (tollgate_model::ServiceName::new("postgres").unwrap(), "/usr/bin/pg".into());
        assert!(runs(&service, "postgres"));
        service.log_tail = vec!["listening".into()];
        assert!(!has_telling_log(&service));
        service.state = ServiceState::NotStarted;
        assert!(has_telling_log(&service));
        service.log_tail.clear();
        assert!(!has_telling_log(&service));
    }

    #[test]
    fn every_state_of_a_service_is_good_or_told() {
        let told = |state| trouble(&state).unwrap_or_default();
        assert_eq!(told(ServiceState::Completed), "");
        assert_eq!(told(ServiceState::NotStarted), "was not started");
        assert_eq!(told(ServiceState::NeverReady { last_seen: "503".into() }), "never became ready: 503");
    }
}
