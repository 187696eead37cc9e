//! The client of the accounting service.

use reqwest::Method;
use uuid::Uuid;

use super::http::{ClientError, Http, bare, post};
use crate::accounting::{
    Balance, Charge, Charged, Credit, Estimate, EstimateRequest, Held, HoldRequest, Usage, UsageQuery,
};

/// Calls the accounting service. Every method fails with the reason why there is no answer.
#[derive(Debug, Clone)]
pub struct Accounting(pub(super) Http);

impl Accounting {
    /// Makes a client of the service at a base URL.
    pub fn new(base: &str) -> Self {
        Self(Http::new("accounting", base))
    }

    /// Allocates credit to a user; for admins.
    ///
    /// # Errors
    /// `403 forbidden` for anybody else.
    pub async fn allocate(&self, token: &str, user: Uuid, credit: &Credit) -> Result<Balance, ClientError> {
        self.0.json(post(format!("/accounts/{user}/credits"), Some(token), credit)).await
    }

    /// Reads an account: one's own, or any as an admin or a supervisor.
    ///
    /// # Errors
    /// `403 forbidden` for anybody else.
    pub async fn balance(&self, token: &str, user: Uuid) -> Result<Balance, ClientError> {
        self.0.json(bare(Method::GET, format!("/accounts/{user}"), Some(token))).await
    }

    /// Sets credit of one's own aside.
    ///
    /// # Errors
    /// `402 insufficient_credit`.
    pub async fn hold(&self, token: &str, session: Uuid, amount_micros: i64) -> Result<Held, ClientError> {
        self.0.json(post("/holds", Some(token), &HoldRequest { session, amount_micros })).await
    }

    /// Charges a hold of one's own.
    ///
    /// # Errors
    /// `404` for a hold that is unknown, charged or released.
    pub async fn charge(&self, token: &str, hold: Uuid, charge: &Charge) -> Result<Charged, ClientError> {
        self.0.json(post(format!("/holds/{hold}/charge"), Some(token), charge)).await
    }

    /// Releases a hold of one's own.
    ///
    /// # Errors
    /// `404` for a hold that is unknown, charged or released.
    pub async fn release(&self, token: &str, hold: Uuid) -> Result<(), ClientError> {
        self.0.empty(bare(Method::DELETE, format!("/holds/{hold}"), Some(token))).await
    }

    /// Lists usage records.
    ///
    /// # Errors
    /// `403 forbidden` for another user's records without being an admin or a supervisor.
    pub async fn usage(&self, token: &str, query: &UsageQuery) -> Result<Vec<Usage>, ClientError> {
        self.0.json_with(bare(Method::GET, "/usage", Some(token)), |request| request.query(query)).await
    }

    /// Asks what a call would cost.
    ///
    /// # Errors
    /// A refusal for an unknown model.
    pub async fn estimate(&self, token: &str, request: &EstimateRequest) -> Result<Estimate, ClientError> {
        self.0.json(post("/estimate", Some(token), request)).await
    }
}
