//! What of many mutants in one program, or of a check of many, counts without a trial of its own.
//!
//! That a test notices a mutant there always does. What else does depends on what is made of it: nobody is asked about a survivor,
//! nothing is blocked by it and none is stored that was not tried by itself, or in the program of its change ([`super::change`]),
//! which is as good.

use std::collections::BTreeSet;
use tollgate_model::{Mutant, MutantOutcome};

/// What counts beside that a test noticed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Counted {
    /// Nothing: somebody is asked about every survivor.
    Noticed,
    /// For a score that blocks or is stored: that it doesn't compile, and of these, which the stored set has, that they are missed.
    Known(BTreeSet<String>),
    /// For a score: that it doesn't compile, and that it is missed.
    All,
}

impl Counted {
    /// Whether this is for a score.
    pub(super) fn is_score(&self) -> bool {
        *self != Self::Noticed
    }

    /// Whether this mutant is missed where it is so among others.
    pub(super) fn has(&self, mutant: &Mutant) -> bool {
        match self {
            Self::Noticed => false,
            Self::Known(names) => names.contains(&mutant.name),
            Self::All => true,
        }
    }

    /// Whether what became of a mutant among others is what became of it.
    pub(super) fn takes(&self, mutant: &Mutant, outcome: MutantOutcome) -> bool {
        match outcome {
            MutantOutcome::Caught | MutantOutcome::TimedOut => true,
            MutantOutcome::Unviable => self.is_score(),
            MutantOutcome::Missed => self.has(mutant),
        }
    }
}
