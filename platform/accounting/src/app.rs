//! The routes of the accounting service.

use crate::{AccountingError, Books, TenantUsage};
use axum::extract::{FromRef, Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use contract::Verifier;
use contract::accounting::{
    Balance, Charge, Charged, Credit, Estimate, EstimateRequest, Held, HoldRequest, Usage, UsageQuery,
};
use contract::serve::{Body, Caller, service};
use redis::aio::ConnectionManager;
use sqlx::PgPool;
use uuid::Uuid;

/// What the handlers share.
#[derive(Clone)]
pub struct State {
    /// Verifies tokens; nothing in this service can issue one.
    pub verifier: Verifier,
    /// What the service does.
    pub books: Books,
    /// The database, for the readiness probe.
    pub pool: PgPool,
    /// Redis, for the readiness probe.
    pub redis: ConnectionManager,
}

impl FromRef<State> for Verifier {
    fn from_ref(state: &State) -> Self {
        state.verifier.clone()
    }
}

impl FromRef<State> for Books {
    fn from_ref(state: &State) -> Self {
        state.books.clone()
    }
}

type Answer<T> = Result<Json<T>, AccountingError>;

/// Makes the router of the service.
pub fn app(state: State) -> Router {
    let (pool, redis) = (state.pool.clone(), state.redis.clone());
    let routes = Router::new()
        .route("/accounts/{user}", get(balance))
        .route("/accounts/{user}/credits", post(allocate))
        .route("/holds", post(hold))
        .route("/holds/{hold}", delete(release))
        .route("/holds/{hold}/charge", post(charge))
        .route("/usage", get(usage))
        .route("/estimate", post(estimate))
        .route("/tenants/{tenant}/usage/{day}", get(tenant_usage))
        .with_state(state);
    service(routes, move || {
        let (pool, redis) = (pool.clone(), redis.clone());
        async move { contract::store::ready(&pool, redis).await }
    })
}

async fn allocate(
    caller: Caller,
    Shared(books): Shared<Books>,
    Path(user): Path<Uuid>,
    Body(credit): Body<Credit>,
) -> Answer<Balance> {
    books.allocate(&caller.claims, user, &credit).await.map(Json)
}

async fn balance(caller: Caller, Shared(books): Shared<Books>, Path(user): Path<Uuid>) -> Answer<Balance> {
    books.balance(&caller.claims, user).await.map(Json)
}

async fn hold(
    caller: Caller,
    Shared(books): Shared<Books>,
    Body(request): Body<HoldRequest>,
) -> Result<(StatusCode, Json<Held>), AccountingError> {
    let held = books.hold(&caller.claims, &request).await?;
    Ok((StatusCode::CREATED, Json(held)))
}

async fn charge(
    caller: Caller,
    Shared(books): Shared<Books>,
    Path(hold): Path<Uuid>,
    Body(charge): Body<Charge>,
) -> Answer<Charged> {
    books.charge(&caller.claims, hold, &charge).await.map(Json)
}

async fn release(
    caller: Caller,
    Shared(books): Shared<Books>,
    Path(hold): Path<Uuid>,
) -> Result<StatusCode, AccountingError> {
    books.release(&caller.claims, hold).await.map(|_| StatusCode::NO_CONTENT)
}

async fn usage(caller: Caller, Shared(books): Shared<Books>, Query(query): Query<UsageQuery>) -> Answer<Vec<Usage>> {
    books.usage(&caller.claims, &query).await.map(Json)
}

async fn estimate(_caller: Caller, Body(request): Body<EstimateRequest>) -> Answer<Estimate> {
    Books::estimate(&request).map(Json)
}

async fn tenant_usage(
    caller: Caller,
    Shared(books): Shared<Books>,
    Path((tenant, day)): Path<(String, String)>,
) -> Answer<TenantUsage> {
    books.tenant_usage(&caller.claims, &tenant, &day).await.map(Json)
}
