//! Which parts of evidence and of an event are text, in which a secret may stand; everything else are names and numbers.

use crate::{Ending, EnvironmentEvidence, Event, Evidence, Incomparable, Masks, ServiceState, TierStatus, Unconfirmed};

impl Masks {
    /// Takes the secrets out of the texts of evidence, before anything is concluded from it.
    pub fn clean_evidence(&self, evidence: &mut Evidence) {
        if let Ending::BuildFailed { detail } | Ending::EnvironmentFailed { detail } = &mut evidence.ending {
            self.clean(detail);
        }
        if let Some(environment) = &mut evidence.environment {
            self.clean_environment(environment);
        }
        for tier in &mut evidence.tiers {
            if let TierStatus::Broken { reason } = &mut tier.status {
                self.clean(reason);
            }
            for attempt in tier.results.iter_mut().flat_map(|test| &mut test.attempts) {
                self.clean(&mut attempt.message);
                self.clean(&mut attempt.output);
            }
        }
        if let Some(stress) = &mut evidence.stress {
            let messages = stress.tests.iter_mut().filter_map(|test| test.message.as_mut());
            messages.chain(&mut stress.left_out).for_each(|text| self.clean(text));
        }
        if let Some(confirmation) = &mut evidence.confirmation {
            confirmation.tests.iter_mut().filter_map(|test| test.message.as_mut()).for_each(|text| self.clean(text));
            self.clean_unconfirmed(&mut confirmation.unconfirmed);
        }
        if let Some(comparison) = &mut evidence.comparison {
            for test in &mut comparison.tests {
                if let Some(Incomparable::FailsOnBase { message } | Incomparable::FailsHere { message }) =
                    &mut test.incomparable
                {
                    self.clean(message);
                }
            }
            self.clean_unconfirmed(&mut comparison.cut_short);
        }
        evidence.remarks.iter_mut().for_each(|text| self.clean(text));
    }

    fn clean_unconfirmed(&self, unconfirmed: &mut Option<Unconfirmed>) {
        if let Some(Unconfirmed::LeftOut { why } | Unconfirmed::Broken { why }) = unconfirmed {
            self.clean(why);
        }
    }

    fn clean_environment(&self, environment: &mut EnvironmentEvidence) {
        self.clean(&mut environment.engine_reason);
        for service in &mut environment.services {
            // The command line of a service may have one.
            self.clean(&mut service.program);
            service.log_tail.iter_mut().for_each(|line| self.clean(line));
            match &mut service.state {
                ServiceState::NeverReady { last_seen: text } | ServiceState::Died { how: text } => self.clean(text),
                ServiceState::Ready | ServiceState::Completed | ServiceState::NotStarted => {}
            }
        }
        let teardown = environment.teardown.iter_mut();
        teardown.flat_map(|teardown| &mut teardown.leftovers).for_each(|leftover| self.clean(&mut leftover.what));
    }

    /// The event without secrets in its text. Results of gates come from evidence that has none.
    pub fn masked_event(&self, event: &Event) -> Event {
        let mut event = event.clone();
        match &mut event {
            Event::Step { detail: text, .. }
            | Event::Engine { reason: text, .. }
            | Event::Output { line: text, .. }
            | Event::Service { detail: text, .. }
            | Event::Message { text, .. } => self.clean(text),
            Event::RunStarted { .. }
            | Event::TierStarted { .. }
            | Event::TestFinished { .. }
            | Event::TierFinished { .. }
            | Event::Gate(_)
            | Event::RunFinished { .. } => {}
        }
        event
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::{LogLevel, TestId, TestOutcome, TierName};

    #[test]
    fn a_name_that_has_a_secret_in_it_stays_what_it_is_and_a_text_does_not() {
        let masks = Masks::of([("A_TOKEN".to_owned(), "sesame12".to_owned())]);
        let tier = TierName::new("unit").expect("a valid name");
        let id = TestId::new("shop", "open::sesame12");
        let event = Event::TestFinished { tier, id, outcome: TestOutcome::Passed, wall_ms: 1 };
        assert_eq!(masks.masked_event(&event), event);
        let text = |text: &str| Event::Message { level: LogLevel::Note, text: text.to_owned() };
        assert_eq!(masks.masked_event(&text("open sesame12")), text("open ***"));
    }
}
