//! What can go wrong in the accounting service, and how each of it is answered.

use crate::PRICES;
use crate::store::StoreError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::serve::Refusal;
use uuid::Uuid;

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum AccountingError {
    /// The caller has not the role for it.
    #[error("you may not {action}")]
    Forbidden {
        /// What was asked for.
        action: &'static str,
    },
    /// An amount that is zero, negative or absurd.
    #[error("an amount of {amount_micros} micros is not accepted")]
    InvalidAmount {
        /// The amount.
        amount_micros: i64,
    },
    /// The balance is too low for a hold.
    #[error("the balance is {available_micros} micros, {wanted_micros} are needed")]
    InsufficientCredit {
        /// What was asked for.
        wanted_micros: i64,
        /// What is there.
        available_micros: i64,
    },
    /// A hold that is not there, not the caller's, or closed already.
    #[error("there is no open hold {hold} of yours")]
    UnknownHold {
        /// The hold.
        hold: Uuid,
    },
    /// A charge of more than was held.
    #[error("the charge of {cost_micros} micros exceeds the {held_micros} that are held")]
    ExceedsHold {
        /// What it costs.
        cost_micros: i64,
        /// What was held.
        held_micros: i64,
    },
    /// A model without a price.
    #[error("no model is called `{model}`; there are {}", PRICES.map(|price| price.model).join(", "))]
    UnknownModel {
        /// The name given.
        model: String,
    },
    /// Token counts whose cost can't be counted in micros.
    #[error("the token counts are out of range")]
    OutOfRange,
    /// A day that is none.
    #[error("`{day}` is not a day; write it as 2025-06-30")]
    InvalidDay {
        /// What was given.
        day: String,
    },
    /// Another process is at work on the same account for too long.
    #[error("the account is busy; try again")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis failed.
    #[error("Redis failed")]
    Redis(#[from] redis::RedisError),
}

impl AccountingError {
    /// The status that it is answered with, and the word that programs compare.
    fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            Self::InvalidAmount { .. } => (StatusCode::BAD_REQUEST, "invalid_amount"),
            Self::InsufficientCredit { .. } => (StatusCode::PAYMENT_REQUIRED, "insufficient_credit"),
            Self::UnknownHold { .. } => (StatusCode::NOT_FOUND, "unknown_hold"),
            Self::ExceedsHold { .. } => (StatusCode::CONFLICT, "exceeds_hold"),
            Self::UnknownModel { .. } => (StatusCode::BAD_REQUEST, "unknown_model"),
            Self::OutOfRange => (StatusCode::BAD_REQUEST, "out_of_range"),
            Self::InvalidDay { .. } => (StatusCode::BAD_REQUEST, "invalid_day"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Store(_) | Self::Redis(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for AccountingError {
    fn into_response(self) -> Response {
        let refusal = match self.answer() {
            (StatusCode::INTERNAL_SERVER_ERROR, _) => Refusal::internal(&self),
            (status, code) => Refusal::new(status, code, self.to_string()),
        };
        refusal.into_response()
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(error: AccountingError, status: u16, code: &str) {
        assert_eq!((error.answer().0.as_u16(), error.answer().1), (status, code), "{error}");
        assert_eq!(error.into_response().status().as_u16(), status);
    }

    #[test]
    fn each_error_has_its_status_and_its_code() {
        let hold = Uuid::nil();
        check(AccountingError::Forbidden { action: "fly" }, 403, "forbidden");
        check(AccountingError::InvalidAmount { amount_micros: 0 }, 400, "invalid_amount");
        check(
            AccountingError::InsufficientCredit { wanted_micros: 2, available_micros: 1 },
            402,
            "insufficient_credit",
        );
        check(AccountingError::UnknownHold { hold }, 404, "unknown_hold");
        check(AccountingError::ExceedsHold { cost_micros: 2, held_micros: 1 }, 409, "exceeds_hold");
        check(AccountingError::UnknownModel { model: "huge".to_owned() }, 400, "unknown_model");
        check(AccountingError::OutOfRange, 400, "out_of_range");
        check(AccountingError::InvalidDay { day: "today".to_owned() }, 400, "invalid_day");
        check(AccountingError::Busy, 503, "busy");
        check(StoreError::from(sqlx::Error::PoolClosed).into(), 500, "internal");
        check(redis::RedisError::from((redis::ErrorKind::Io, "gone")).into(), 500, "internal");
    }
}
