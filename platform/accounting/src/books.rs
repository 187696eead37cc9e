//! The books as the service keeps them: the ledger over PostgreSQL, locks and counters in Redis.

use crate::store::Postgres;
use crate::{AccountingError, Counters, Ledger, Locks, TenantUsage, cost};
use contract::accounting::{
    Balance, Charge, Charged, Credit, Estimate, EstimateRequest, Held, HoldRequest, Usage, UsageQuery,
};
use contract::{Claims, Role};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

/// Everything that the service does.
#[derive(Clone)]
pub struct Books {
    /// The rules and the records.
    pub ledger: Ledger<Postgres>,
    /// One lock an account.
    pub locks: Locks,
    /// Usage per tenant and day.
    pub counters: Counters,
}

#[expect(clippy::missing_errors_doc, reason = "each fails as the ledger's operation of the same name, or by Redis")]
impl Books {
    /// Allocates credit.
    pub async fn allocate(&self, by: &Claims, user: Uuid, credit: &Credit) -> Result<Balance, AccountingError> {
        self.ledger.allocate(by, user, credit).await
    }

    /// Reads an account.
    pub async fn balance(&self, by: &Claims, user: Uuid) -> Result<Balance, AccountingError> {
        self.ledger.balance(by, user).await
    }

    /// Sets credit aside, one hold of an account at a time.
    pub async fn hold(&self, by: &Claims, request: &HoldRequest) -> Result<Held, AccountingError> {
        let lock = self.locks.acquire(&by.sub.to_string()).await?;
        let held = self.ledger.hold(by, request).await;
        if let Err(error) = lock.release().await {
            tracing::warn!(%error, "a lock stays until it runs out");
        }
        held
    }

    /// Charges a hold, now, and counts it.
    pub async fn charge(&self, by: &Claims, hold: Uuid, charge: &Charge) -> Result<Charged, AccountingError> {
        let charged = self.ledger.charge(by, hold, charge, Timestamp::now().as_millisecond()).await?;
        // The charge stands already: a counter that can't be reached must not make it look as if it had failed.
        if let Err(error) = self.counters.add(&by.tenant, &charged.usage).await {
            tracing::warn!(%error, usage = %charged.usage.id, "usage is recorded but not counted");
        }
        Ok(charged)
    }

    /// Gives a hold back.
    pub async fn release(&self, by: &Claims, hold: Uuid) -> Result<Balance, AccountingError> {
        self.ledger.release(by, hold).await
    }

    /// Lists usage records.
    pub async fn usage(&self, by: &Claims, query: &UsageQuery) -> Result<Vec<Usage>, AccountingError> {
        self.ledger.usage(by, query).await
    }

    /// Says what a call would cost.
    pub fn estimate(request: &EstimateRequest) -> Result<Estimate, AccountingError> {
        let cost_micros = cost::cost_micros(&request.model, request.tokens_in, request.tokens_out)?;
        Ok(Estimate { cost_micros })
    }

    /// Reads what a tenant used on a day; for the tenant's own admins and supervisors.
    pub async fn tenant_usage(&self, by: &Claims, tenant: &str, day: &str) -> Result<TenantUsage, AccountingError> {
        if by.tenant != tenant || by.require_any(&[Role::Admin, Role::Supervisor]).is_err() {
            return Err(AccountingError::Forbidden { action: "read the usage of this tenant" });
        }
        let day: Date = day.parse().map_err(|_| AccountingError::InvalidDay { day: day.to_owned() })?;
        self.counters.read(tenant, day).await
    }
}
