//! A database of each test's own, cloned from a template that is migrated once.
//!
//! The template's name holds a hash of the migrations, so that changed migrations make a new one. It is sealed (a
//! template nobody can connect to) as its last step: an unsealed one is the rest of a run that was cut off, and is
//! made again. Cloning copies files, which is the fastest way for a small database (`STRATEGY FILE_COPY`).

use std::str::FromStr;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::settings::setting;

/// A leased database; it is dropped, with all connections to it, when the lease ends.
#[derive(Debug)]
pub struct Database {
    name: String,
    admin: PgConnectOptions,
}

impl Database {
    /// Leases a database with the service's migrations applied, from the server at `DATABASE_URL`.
    ///
    /// # Panics
    ///
    /// When `DATABASE_URL` is not set, or the server refuses.
    pub async fn lease(service: &str, migrator: &Migrator) -> Self {
        let admin = PgConnectOptions::from_str(&setting("DATABASE_URL"))
            .unwrap_or_else(|error| panic!("DATABASE_URL can't be read: {error}"));
        let name = format!("test_{service}_{}", Uuid::new_v4().simple());
        clone_template(&admin, service, migrator, &name)
            .await
            .unwrap_or_else(|error| panic!("no database could be leased for {service}: {error}"));
        Self { name, admin }
    }

    /// The database's name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL that a service takes as its `DATABASE_URL`.
    pub fn url(&self) -> String {
        self.options().to_url_lossy().to_string()
    }

    /// Connects, for a look at what a service stored.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn pool(&self) -> PgPool {
        PgPool::connect_with(self.options())
            .await
            .unwrap_or_else(|error| panic!("the leased database {} can't be used: {error}", self.name))
    }

    fn options(&self) -> PgConnectOptions {
        self.admin.clone().database(&self.name)
    }
}

impl Drop for Database {
    /// Works on a thread of its own, because the test's runtime can't be waited for from within.
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.is_ok_and(|runtime| runtime.block_on(drop_database(&admin, &name)).is_ok())
        });
        let dropped = dropping.join().unwrap_or(false);
        // A second panic while the test's own unwinds would abort the process and hide the first.
        assert!(dropped || std::thread::panicking(), "the leased database {} could not be dropped", self.name);
    }
}

async fn drop_database(admin: &PgConnectOptions, name: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(admin).await?;
    execute(&mut connection, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    connection.close().await
}

async fn clone_template(
    admin: &PgConnectOptions,
    service: &str,
    migrator: &Migrator,
    name: &str,
) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(admin).await?;
    let hash = migrations_hash(migrator);
    let template = format!("template_{service}_{hash:016x}");
    if !is_sealed(&mut connection, &template).await? {
        make_template(admin, &mut connection, migrator, &template, hash).await?;
    }
    execute(&mut connection, &format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")).await?;
    connection.close().await
}

/// Makes the template under a lock, for tests run in many processes at once. A connection that closes gives the lock
/// back, whatever happened.
async fn make_template(
    admin: &PgConnectOptions,
    connection: &mut PgConnection,
    migrator: &Migrator,
    template: &str,
    hash: u64,
) -> Result<(), sqlx::Error> {
    let key = hash.cast_signed();
    sqlx::query("SELECT pg_advisory_lock($1)").bind(key).execute(&mut *connection).await?;
    if !is_sealed(connection, template).await? {
        execute(connection, &format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)")).await?;
        execute(connection, &format!("CREATE DATABASE {template}")).await?;
        let mut inside = PgConnection::connect_with(&admin.clone().database(template)).await?;
        migrator.run(&mut inside).await?;
        inside.close().await?;
        execute(connection, &format!("ALTER DATABASE {template} IS_TEMPLATE true ALLOW_CONNECTIONS false")).await?;
    }
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(key).execute(&mut *connection).await?;
    Ok(())
}

async fn is_sealed(connection: &mut PgConnection, template: &str) -> Result<bool, sqlx::Error> {
    let sealed = sqlx::query_scalar("SELECT datistemplate AND NOT datallowconn FROM pg_database WHERE datname = $1");
    Ok(sealed.bind(template).fetch_optional(connection).await?.unwrap_or(false))
}

/// Runs a statement of this file's own words; no name in it comes from elsewhere.
async fn execute(connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

/// FNV-1a over versions and checksums: what it is fed is cryptographic already, it only has to fit in a name.
fn migrations_hash(migrator: &Migrator) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    migrator.iter().fold(0xcbf2_9ce4_8422_2325, |hash, migration| {
        let hash = migration.version.to_le_bytes().iter().fold(hash, fold);
        migration.checksum.iter().fold(hash, fold)
    })
}

#[cfg(test)]
mod unit {
    use std::borrow::Cow;

    use sqlx::SqlSafeStr as _;
    use sqlx::migrate::{Migration, MigrationType};

    use super::*;

    fn hash(migrations: &[(i64, &'static str)]) -> u64 {
        let migration = |(version, sql): &(i64, &'static str)| {
            Migration::new(*version, Cow::Borrowed("m"), MigrationType::Simple, sql.into_sql_str(), false)
        };
        let migrations: Vec<_> = migrations.iter().map(migration).collect();
        migrations_hash(&Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT })
    }

    #[test]
    fn the_hash_follows_what_the_migrations_say() {
        let one = hash(&[(1, "CREATE TABLE a ()")]);
        assert_eq!(one, hash(&[(1, "CREATE TABLE a ()")]));
        assert_ne!(one, hash(&[(1, "CREATE TABLE b ()")]));
        assert_ne!(one, hash(&[(2, "CREATE TABLE a ()")]));
        assert_ne!(one, hash(&[(1, "CREATE TABLE a ()"), (2, "CREATE TABLE b ()")]));
    }
}
