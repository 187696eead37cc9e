//! What the service refuses before it does anything: bad tokens, bad bodies, unknown routes; and its probes.

use super::world::{World, credit};
use contract::Role;
use harness::Forge;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

async fn call(world: &World, method: Method, path: &str, token: Option<&str>, body: Value) -> (u16, String) {
    let mut request = Client::new().request(method, format!("{}{path}", world.served.url())).json(&body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let code = serde_json::from_str::<Value>(&text).ok().and_then(|body| body["code"].as_str().map(str::to_owned));
    (status, code.unwrap_or(text))
}

fn routes(user: Uuid) -> Vec<(Method, String)> {
    vec![
        (Method::GET, format!("/accounts/{user}")),
        (Method::POST, format!("/accounts/{user}/credits")),
        (Method::POST, "/holds".to_owned()),
        (Method::POST, format!("/holds/{user}/charge")),
        (Method::DELETE, format!("/holds/{user}")),
        (Method::GET, "/usage".to_owned()),
        (Method::POST, "/estimate".to_owned()),
        (Method::GET, "/tenants/forge.test/usage/2025-06-30".to_owned()),
    ]
}

#[tokio::test]
async fn every_route_refuses_every_bad_token() {
    let world = World::new().await;
    let claims = Forge::claims(&[Role::Admin]);
    let unauthorized = (401, "unauthorized".to_owned());
    for (method, path) in routes(claims.sub) {
        let without = call(&world, method.clone(), &path, None, json!({})).await;
        assert_eq!(without, unauthorized, "{method} {path} without a token");
        for (kind, token) in world.forge.bad(&claims) {
            let answer = call(&world, method.clone(), &path, Some(&token), json!({})).await;
            assert_eq!(answer, unauthorized, "{method} {path} with a token: {kind}");
        }
    }
}

#[tokio::test]
async fn no_route_issues_a_token() {
    let world = World::new().await;
    let admin = world.somebody(Role::Admin);
    let body = json!({ "email": admin.claims.email, "password": "secret" });
    for path in ["/login", "/token", "/tokens", "/users", "/me"] {
        let answer = call(&world, Method::POST, path, Some(&admin.token), body.clone()).await;
        assert_eq!(answer, (404, "unknown_route".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_can_not_be_read_is_refused_with_its_reason() {
    let world = World::new().await;
    let user = world.somebody(Role::User);
    let answer = call(&world, Method::POST, "/holds", Some(&user.token), json!({ "session": "x" })).await;
    assert_eq!(answer, (422, "invalid_body".to_owned()));
}

#[tokio::test]
async fn the_service_is_alive_and_ready_without_a_token() {
    let world = World::new().await;
    assert_eq!(call(&world, Method::GET, "/health", None, json!({})).await, (200, "alive".to_owned()));
    assert_eq!(call(&world, Method::GET, "/ready", None, json!({})).await, (200, "ready".to_owned()));
}

#[tokio::test]
async fn a_service_whose_database_is_gone_is_alive_but_not_ready_and_says_so() {
    let world = World::new().await;
    let admin = world.somebody(Role::Admin);
    world.state.pool.close().await;
    assert_eq!(call(&world, Method::GET, "/health", None, json!({})).await.0, 200);
    assert_eq!(call(&world, Method::GET, "/ready", None, json!({})).await, (503, "not_ready".to_owned()));
    let error = world.client.allocate(&admin.token, admin.id(), &credit(1)).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(500), Some("internal")));
}
