//! Which engine: what was asked for, or what is there.

use crate::EnvError;
use crate::engine_compose::{Tool, detect};
use tollgate_exec::Interrupt;
use tollgate_model::{EngineChoice, EngineKind};

/// Chooses the engine and says why.
///
/// # Errors
/// When containers were asked for and no engine that can run them answers.
pub fn choose(choice: EngineChoice, interrupt: &Interrupt) -> Result<(EngineKind, String), EnvError> {
    if choice == EngineChoice::Native {
        return Ok((EngineKind::Native, "asked for".to_owned()));
    }
    decide(choice, detect(interrupt))
}

fn decide(choice: EngineChoice, found: Result<Tool, Vec<String>>) -> Result<(EngineKind, String), EnvError> {
    match (choice, found) {
        (EngineChoice::Auto, Ok(tool)) => Ok((EngineKind::Compose, format!("{tool} answers"))),
        (_, Ok(tool)) => Ok((EngineKind::Compose, format!("asked for; {tool}"))),
        (EngineChoice::Auto, Err(tried)) => {
            Ok((EngineKind::Native, format!("no container engine: {}", tried.join("; "))))
        }
        (_, Err(tried)) => Err(EnvError::NoEngine { tried }),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(choice: EngineChoice, there: bool, expect: Result<(EngineKind, &str), &str>) {
        let found = if there { Ok(Tool::sample()) } else { Err(vec!["docker: not on this machine".to_owned()]) };
        let chosen = decide(choice, found).map_err(|error| error.to_string());
        let chosen = chosen.as_ref().map(|(kind, reason)| (*kind, reason.as_str()));
        assert_eq!(chosen.map_err(String::as_str), expect);
    }

    #[test]
    fn auto_takes_containers_where_an_engine_answers_and_says_why() {
        check(EngineChoice::Auto, true, Ok((EngineKind::Compose, "docker 28.0.1 with compose 2.30.0 answers")));
        check(EngineChoice::Auto, false, Ok((EngineKind::Native, "no container engine: docker: not on this machine")));
        check(EngineChoice::Compose, true, Ok((EngineKind::Compose, "asked for; docker 28.0.1 with compose 2.30.0")));
        let refused = "no container engine can be used\n  docker: not on this machine";
        check(EngineChoice::Compose, false, Err(refused));
    }
}
