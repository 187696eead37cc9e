//! Where accounts, holds and usage records are kept.
//!
//! [`Store`] has two implementations that are held to the same behaviour by the same checks: [`Postgres`] for the
//! service and [`Memory`] for tests of the domain, which need no server.

mod memory;
mod postgres;

pub use memory::Memory;
pub use postgres::Postgres;

use contract::accounting::{Balance, Usage};
use uuid::Uuid;

/// Credit set aside for one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The hold.
    pub id: Uuid,
    /// Whose credit.
    pub user: Uuid,
    /// The chat session that the stream belongs to.
    pub session: Uuid,
    /// How much, in micros.
    pub amount_micros: i64,
}

/// The store does not answer, or not as it must.
#[derive(Debug, thiserror::Error)]
#[error("the store failed")]
pub struct StoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        Self(Box::new(source))
    }
}

/// Keeps the books. Each operation is atomic: it happens whole or not at all, whoever else is at work.
///
/// Every operation fails only when the store itself does.
pub trait Store: Send + Sync + 'static {
    /// Finds a user's account, or creates it with nothing in it.
    fn account(&self, user: Uuid) -> impl Future<Output = Result<Balance, StoreError>> + Send;

    /// Adds credit to an account, which is created where there is none, and notes who allocated it and why.
    fn credit(
        &self,
        user: Uuid,
        amount_micros: i64,
        reason: &str,
        allocated_by: Uuid,
    ) -> impl Future<Output = Result<Balance, StoreError>> + Send;

    /// Moves credit from the balance to what is held; `None` when the balance is too low, and nothing is moved.
    fn hold(
        &self,
        user: Uuid,
        session: Uuid,
        amount_micros: i64,
    ) -> impl Future<Output = Result<Option<Hold>, StoreError>> + Send;

    /// Finds a hold that is neither charged nor released.
    fn open_hold(&self, hold: Uuid) -> impl Future<Output = Result<Option<Hold>, StoreError>> + Send;

    /// Closes a hold with a usage record: its cost is spent, the rest goes back to the balance. `None` when the hold is
    /// no longer open, and nothing is recorded.
    fn charge(&self, hold: &Hold, usage: &Usage) -> impl Future<Output = Result<Option<Balance>, StoreError>> + Send;

    /// Closes a hold and gives all of it back; `None` when it is no longer open.
    fn release(&self, hold: &Hold) -> impl Future<Output = Result<Option<Balance>, StoreError>> + Send;

    /// Lists a user's usage records, of one session or of all, newest first.
    fn usage(&self, user: Uuid, session: Option<Uuid>) -> impl Future<Output = Result<Vec<Usage>, StoreError>> + Send;
}
