//! What every service answers alike: probes, refusals, request ids, the caller's token.

use axum::extract::FromRef;
use axum::routing::{get, post};
use axum::{Json, Router};
use contract::accounting::UsageQuery;
use contract::identity::Verification;
use contract::serve::{Body, Caller, Id, Parameters, service};
use contract::{Claims, ErrorBody, Role, Verifier, request_id};
use harness::{Forge, Served, serve};
use reqwest::{Client, Response};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[derive(Clone)]
struct State(Verifier);

impl FromRef<State> for Verifier {
    fn from_ref(state: &State) -> Self {
        state.0.clone()
    }
}

async fn who(caller: Caller) -> Json<Claims> {
    assert!(!caller.token.is_empty());
    Json(caller.claims)
}

async fn served(missing: Option<&'static str>) -> Served {
    let routes = Router::new()
        .route("/who", get(who))
        .route("/id", get(|| async { request_id::current().unwrap_or_default() }))
        .route("/of/{id}", get(|Id(id): Id| async move { id.to_string() }))
        .route("/usage", get(|Parameters(query): Parameters<UsageQuery>| async move { Json(query) }))
        .route("/echo", post(|Body(body): Body<Verification>| async { body.token }))
        .with_state(State(Verifier::new(SECRET).unwrap()));
    serve(service(routes, move || async move { missing.map_or(Ok(()), |missing| Err(missing.to_owned())) })).await
}

async fn refusal(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.json::<ErrorBody>().await.unwrap().code)
}

#[tokio::test]
async fn a_service_is_alive_and_says_what_it_lacks_to_be_ready() {
    let (ready, lacking) = (served(None).await, served(Some("PostgreSQL doesn't answer")).await);
    assert_eq!(reqwest::get(format!("{}/health", lacking.url())).await.unwrap().status(), 200);
    assert_eq!(reqwest::get(format!("{}/ready", ready.url())).await.unwrap().text().await.unwrap(), "ready");
    let answer = reqwest::get(format!("{}/ready", lacking.url())).await.unwrap();
    assert_eq!(answer.status(), 503);
    let body = answer.json::<ErrorBody>().await.unwrap();
    assert_eq!(body, ErrorBody::new("not_ready", "PostgreSQL doesn't answer"));
}

#[tokio::test]
async fn ids_and_queries_that_can_not_be_read_are_refused_in_the_same_shape() {
    let served = served(None).await;
    let asked = async |path: &str| reqwest::get(format!("{}{path}", served.url())).await.unwrap();
    let id = "00000000-0000-0000-0000-000000000007";
    assert_eq!(asked(&format!("/of/{id}")).await.text().await.unwrap(), id);
    assert_eq!(refusal(asked("/of/seven").await).await, (400, "invalid_id".to_owned()));
    let query = asked(&format!("/usage?session={id}")).await.json::<UsageQuery>().await.unwrap();
    assert_eq!(query, UsageQuery { user: None, session: Some(id.parse().unwrap()) });
    assert_eq!(refusal(asked("/usage?user=seven").await).await, (400, "invalid_query".to_owned()));
}

#[tokio::test]
async fn unknown_routes_methods_and_bodies_are_refused_in_one_shape() {
    let served = served(None).await;
    let url = |path: &str| format!("{}{path}", served.url());
    let client = Client::new();
    assert_eq!(refusal(client.get(url("/none")).send().await.unwrap()).await, (404, "unknown_route".to_owned()));
    assert_eq!(refusal(client.delete(url("/who")).send().await.unwrap()).await, (405, "unknown_method".to_owned()));
    let post = |body: String| client.post(url("/echo")).header("content-type", "application/json").body(body).send();
    assert_eq!(refusal(post("{".to_owned()).await.unwrap()).await, (400, "invalid_body".to_owned()));
    assert_eq!(refusal(post("{}".to_owned()).await.unwrap()).await, (422, "invalid_body".to_owned()));
    let long = format!("{{\"token\":\"{}\"}}", "x".repeat(3 << 20));
    assert_eq!(refusal(post(long).await.unwrap()).await, (413, "body_too_long".to_owned()));
    assert_eq!(post("{\"token\":\"t\"}".to_owned()).await.unwrap().text().await.unwrap(), "t");
}

#[tokio::test]
async fn a_given_request_id_is_kept_and_a_missing_one_made() {
    let served = served(None).await;
    let url = format!("{}/id", served.url());
    let given = Client::new().get(&url).header("x-request-id", "run-7").send().await.unwrap();
    assert_eq!(given.headers()["x-request-id"], "run-7");
    assert_eq!(given.text().await.unwrap(), "run-7");
    let made = Client::new().get(&url).send().await.unwrap();
    let header = made.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(header.len(), 36);
    assert_eq!(made.text().await.unwrap(), header);
}

#[tokio::test]
async fn a_caller_is_who_the_token_says_and_nobody_with_a_bad_one() {
    let served = served(None).await;
    let url = format!("{}/who", served.url());
    let (forge, claims) = (Forge::new(SECRET), Forge::claims(&[Role::Supervisor]));
    let good = Client::new().get(&url).bearer_auth(forge.token(&claims)).send().await.unwrap();
    assert_eq!(good.json::<Claims>().await.unwrap(), claims);
    for (kind, token) in forge.bad(&claims) {
        let answer = Client::new().get(&url).bearer_auth(token).send().await.unwrap();
        assert_eq!(refusal(answer).await, (401, "unauthorized".to_owned()), "{kind}");
    }
    assert_eq!(refusal(reqwest::get(&url).await.unwrap()).await, (401, "unauthorized".to_owned()));
}
