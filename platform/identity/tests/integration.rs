//! The identity service on a real PostgreSQL and Redis: registration, verification, login, refusals, lookup, seeds.

#![expect(clippy::unwrap_used, reason = "helpers unwrap as tests do; the lint's exception knows test functions alone")]

use axum::Router;
use contract::serve::{StartError, Variables};
use contract::{ClientError, Identity, Role, Verifier};
use harness::{ClosedPort, Database, Forge, RedisSpace, Served, serve};
use identity::{Config, MIGRATOR, start};
use sqlx::PgPool;
use uuid::Uuid;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "correct horse";
const ADA: &str = "ada@example.test";

/// The service with stores of its own.
struct World {
    client: Identity,
    served: Served,
    pool: PgPool,
    space: RedisSpace,
    // Dropped last, after everything that is connected to it.
    database: Database,
}

fn variables(database_url: &str, space: &RedisSpace, more: &[(&str, &str)]) -> Variables {
    let least = [
        ("DATABASE_URL", database_url),
        ("REDIS_URL", space.url()),
        ("REDIS_PREFIX", space.prefix()),
        ("TOKEN_SECRET", SECRET),
        ("ARGON2_MEMORY_KIB", "8"),
        ("CAPTURE_MAIL", "1"),
        ("LOGIN_FAILURES_MAX", "3"),
        ("ADMIN_EMAIL", "Admin@example.test"),
        ("ADMIN_PASSWORD", "admin's password"),
    ];
    least.iter().chain(more).copied().collect()
}

async fn router(variables: Variables) -> Result<Router, StartError> {
    start(Config::from_variables(variables)).await.map(|serving| serving.router)
}

impl World {
    async fn new(more: &[(&str, &str)]) -> Self {
        let (database, space) = (Database::lease("identity", &MIGRATOR).await, RedisSpace::lease());
        let served = serve(router(variables(&database.url(), &space, more)).await.unwrap()).await;
        Self { client: Identity::new(&served.url()), served, pool: database.pool().await, space, database }
    }

    /// Registers a user and gives the captured verification token.
    async fn registered(&self, email: &str) -> (Uuid, String) {
        let id = self.client.register(email, PASSWORD).await.unwrap().id;
        (id, self.client.captured_verification(id).await.unwrap().token)
    }

    async fn verified(&self, email: &str) -> Uuid {
        let (id, token) = self.registered(email).await;
        self.client.verify(&token).await.unwrap();
        id
    }

    async fn admin_token(&self) -> String {
        self.client.login("admin@example.test", "admin's password").await.unwrap().token
    }

    async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}

#[track_caller]
fn check<T>(result: Result<T, ClientError>, status: u16, code: &str) {
    let error = result.err().expect("a refusal is expected");
    assert_eq!((error.status(), error.code()), (Some(status), Some(code)), "{error}");
}

#[tokio::test]
async fn a_registered_user_is_stored_unverified_with_a_hash_and_one_token() {
    let world = World::new(&[]).await;
    let (id, token) = world.registered(" Ada@Example.test ").await;
    let (email, hash, roles, tenant, verified): (String, String, Vec<String>, String, bool) =
        sqlx::query_as("SELECT email, password_hash, roles, tenant, verified FROM users WHERE id = $1")
            .bind(id)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!((email.as_str(), tenant.as_str(), verified), (ADA, "example.test", false));
    assert_eq!(roles, ["user"]);
    assert!(hash.starts_with("$argon2id$") && !hash.contains(PASSWORD), "{hash}");
    let stored: String = sqlx::query_scalar("SELECT token FROM verifications WHERE user_id = $1")
        .bind(id)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(stored, token);
}

#[tokio::test]
async fn a_registration_is_refused_for_its_address_its_password_or_a_user_who_exists() {
    let world = World::new(&[]).await;
    world.registered(ADA).await;
    check(world.client.register("ada", PASSWORD).await, 400, "invalid_email");
    check(world.client.register("bob@example.test", "short").await, 400, "weak_password");
    check(world.client.register("ADA@example.test", PASSWORD).await, 409, "email_taken");
    assert_eq!(world.count("SELECT count(*) FROM users WHERE email <> 'admin@example.test'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM verifications").await, 1);
}

#[tokio::test]
async fn of_two_who_register_one_address_at_once_one_succeeds() {
    let world = World::new(&[]).await;
    let (one, other) = tokio::join!(world.client.register(ADA, PASSWORD), world.client.register(ADA, PASSWORD));
    assert!(one.is_ok() != other.is_ok());
    check(if one.is_ok() { other } else { one }, 409, "email_taken");
}

#[tokio::test]
async fn a_verification_token_works_once() {
    let world = World::new(&[]).await;
    let (id, token) = world.registered(ADA).await;
    check(world.client.verify("unknown").await, 400, "invalid_verification");
    assert_eq!(world.count("SELECT count(*) FROM users WHERE verified AND email = 'ada@example.test'").await, 0);
    world.client.verify(&token).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM users WHERE verified AND email = 'ada@example.test'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM verifications").await, 0);
    check(world.client.verify(&token).await, 400, "invalid_verification");
    check(world.client.captured_verification(id).await, 404, "no_mail");
}

#[tokio::test]
async fn captured_mail_is_closed_unless_it_is_switched_on() {
    let world = World::new(&[("CAPTURE_MAIL", "0")]).await;
    let id = world.client.register(ADA, PASSWORD).await.unwrap().id;
    check(world.client.captured_verification(id).await, 404, "no_mail");
}

#[tokio::test]
async fn a_login_gives_a_token_that_verifies_and_says_who_it_is() {
    let world = World::new(&[("TOKEN_SECONDS", "90")]).await;
    let id = world.verified(ADA).await;
    let login = world.client.login("ADA@example.test", PASSWORD).await.unwrap();
    assert_eq!(login.expires_in, 90);
    let claims = Verifier::new(SECRET).unwrap().verify(&login.token).unwrap();
    assert_eq!((claims.sub, claims.email.as_str(), claims.tenant.as_str()), (id, ADA, "example.test"));
    assert_eq!((claims.roles.as_slice(), claims.exp - claims.iat), ([Role::User].as_slice(), 90));
    assert_eq!(world.client.me(&login.token).await.unwrap(), claims);
}

#[tokio::test]
async fn a_login_is_refused_without_telling_who_is_registered() {
    let world = World::new(&[]).await;
    world.verified(ADA).await;
    check(world.client.login(ADA, "wrong password").await, 401, "wrong_credentials");
    check(world.client.login("nobody@example.test", PASSWORD).await, 401, "wrong_credentials");
    check(world.client.login("not an address", PASSWORD).await, 401, "wrong_credentials");
}

#[tokio::test]
async fn only_who_knows_the_password_learns_that_the_address_is_not_verified() {
    let world = World::new(&[]).await;
    world.registered(ADA).await;
    check(world.client.login(ADA, PASSWORD).await, 403, "not_verified");
    check(world.client.login(ADA, "wrong password").await, 401, "wrong_credentials");
}

#[tokio::test]
async fn too_many_wrong_passwords_close_the_address_for_a_minute_and_no_other() {
    let world = World::new(&[]).await;
    world.verified(ADA).await;
    world.verified("bob@example.test").await;
    for _ in 0..3 {
        check(world.client.login(ADA, "wrong password").await, 401, "wrong_credentials");
    }
    check(world.client.login(ADA, PASSWORD).await, 429, "too_many_attempts");
    world.client.login("bob@example.test", PASSWORD).await.unwrap();
    assert_eq!(world.space.keys(), ["login_failures:ada@example.test"]);
    let mut redis = redis::Client::open(world.space.url()).unwrap().get_connection().unwrap();
    let key = format!("{}login_failures:ada@example.test", world.space.prefix());
    let seconds: i64 = redis::cmd("TTL").arg(key).query(&mut redis).unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_login_forgets_the_wrong_passwords_before_it() {
    let world = World::new(&[]).await;
    world.verified(ADA).await;
    for _ in 0..2 {
        for _ in 0..2 {
            check(world.client.login(ADA, "wrong password").await, 401, "wrong_credentials");
        }
        world.client.login(ADA, PASSWORD).await.unwrap();
        assert!(world.space.keys().is_empty());
    }
}

#[tokio::test]
async fn every_bad_token_is_refused() {
    let world = World::new(&[]).await;
    let (forge, claims) = (Forge::new(SECRET), Forge::claims(&[Role::Admin]));
    for (kind, token) in forge.bad(&claims) {
        let error = world.client.me(&token).await.expect_err(kind);
        assert_eq!((error.status(), error.code()), (Some(401), Some("unauthorized")), "{kind}");
        check(world.client.find_user(&token, ADA).await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn an_admin_looks_users_up_and_nobody_else_does() {
    let world = World::new(&[]).await;
    let id = world.verified(ADA).await;
    let admin = world.admin_token().await;
    let found = world.client.find_user(&admin, "Ada@example.test").await.unwrap();
    assert_eq!((found.id, found.email.as_str(), found.verified), (id, ADA, true));
    assert_eq!(found.roles, [Role::User]);
    check(world.client.find_user(&admin, "nobody@example.test").await, 404, "unknown_user");
    check(world.client.find_user(&admin, "nobody").await, 400, "invalid_email");
    let token = world.client.login(ADA, PASSWORD).await.unwrap().token;
    check(world.client.find_user(&token, ADA).await, 403, "forbidden");
}

#[tokio::test]
async fn seed_users_are_verified_and_a_second_start_brings_their_new_password() {
    let world = World::new(&[]).await;
    let first = world.client.me(&world.admin_token().await).await.unwrap();
    assert_eq!(
        (first.email.as_str(), first.roles.as_slice()),
        ("admin@example.test", [Role::User, Role::Admin].as_slice())
    );
    let more = [
        ("ADMIN_PASSWORD", "another password"),
        ("SUPERVISOR_EMAIL", "super@example.test"),
        ("SUPERVISOR_PASSWORD", "super's password"),
    ];
    let again = serve(router(variables(&world.database.url(), &world.space, &more)).await.unwrap()).await;
    let client = Identity::new(&again.url());
    check(client.login("admin@example.test", "admin's password").await, 401, "wrong_credentials");
    let token = client.login("admin@example.test", "another password").await.unwrap().token;
    assert_eq!(client.me(&token).await.unwrap().sub, first.sub);
    let token = client.login("super@example.test", "super's password").await.unwrap().token;
    assert!(client.me(&token).await.unwrap().has(Role::Supervisor));
}

#[tokio::test]
async fn a_seed_user_with_an_impossible_address_and_a_store_that_is_away_stop_the_start() {
    let (database, space) = (Database::lease("identity", &MIGRATOR).await, RedisSpace::lease());
    let cause = async |more: &[(&str, &str)]| match router(variables(&database.url(), &space, more)).await {
        Err(StartError::Store(source)) => source.to_string(),
        Err(other) => other.to_string(),
        Ok(_) => "started".to_owned(),
    };
    assert_eq!(cause(&[("ADMIN_EMAIL", "admin")]).await, "this can't be an e-mail address");
    let closed = ClosedPort::take().url();
    assert_eq!(cause(&[("REDIS_URL", &closed.replace("http", "redis"))]).await, "Redis can't be used");
    assert_eq!(cause(&[("ARGON2_MEMORY_KIB", "1")]).await, "cryptography failed: memory cost is too small");
    let expect = "the configuration has mistakes: LISTEN has the value \"x\": invalid socket address syntax";
    assert_eq!(cause(&[("LISTEN", "x")]).await, expect);
}

#[tokio::test]
async fn a_service_whose_database_is_gone_is_alive_but_not_ready_and_does_not_tell_why() {
    let world = World::new(&[]).await;
    let status =
        async |path: &str| reqwest::get(format!("{}{path}", world.served.url())).await.unwrap().status().as_u16();
    assert_eq!((status("/health").await, status("/ready").await), (200, 200));
    sqlx::raw_sql("DROP TABLE verifications, users").execute(&world.pool).await.unwrap();
    let error = world.client.login(ADA, PASSWORD).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(500), Some("internal")));
    assert!(!error.to_string().contains("users"), "{error}");
    let admin = PgPool::connect(&harness::setting("DATABASE_URL")).await.unwrap();
    let name = world.database.name();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&admin).await.unwrap();
    assert_eq!((status("/health").await, status("/ready").await), (200, 503));
}
