//! Users and their verification tokens in PostgreSQL.

use contract::Role;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::error::Error;
use crate::rules::Email;

/// A user as stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredUser {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    pub(crate) roles: Vec<Role>,
    pub(crate) tenant: String,
    pub(crate) verified: bool,
}

/// The table of users.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    pub(crate) pool: PgPool,
}

impl Users {
    /// Adds an unverified user together with the verification token.
    pub(crate) async fn register(&self, email: &Email, password_hash: &str, token: &str) -> Result<Uuid, Error> {
        let id = Uuid::new_v4();
        let mut transaction = self.pool.begin().await?;
        let user = sqlx::query(
            "INSERT INTO users (id, email, password_hash, roles, tenant) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (email) DO NOTHING",
        );
        let user = user.bind(id).bind(email.as_str()).bind(password_hash).bind([name(Role::User)]).bind(email.tenant());
        if user.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(Error::EmailTaken);
        }
        let verification = sqlx::query("INSERT INTO verifications (user_id, token) VALUES ($1, $2)");
        verification.bind(id).bind(token).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Puts a verified user in place with a role beside that of a user; one who exists gets the role and the password.
    pub(crate) async fn seed(&self, email: &Email, password_hash: &str, role: Role) -> Result<(), Error> {
        let seed = sqlx::query(
            "INSERT INTO users (id, email, password_hash, roles, tenant, verified) VALUES ($1, $2, $3, $4, $5, TRUE) \
             ON CONFLICT (email) DO UPDATE \
             SET password_hash = EXCLUDED.password_hash, roles = EXCLUDED.roles, verified = TRUE",
        );
        let roles = [name(Role::User), name(role)];
        let seed = seed.bind(Uuid::new_v4()).bind(email.as_str()).bind(password_hash).bind(roles).bind(email.tenant());
        seed.execute(&self.pool).await?;
        Ok(())
    }

    /// The verification token that a user has not used yet.
    pub(crate) async fn pending_verification(&self, user: Uuid) -> Result<Option<String>, Error> {
        let token = sqlx::query_scalar("SELECT token FROM verifications WHERE user_id = $1");
        Ok(token.bind(user).fetch_optional(&self.pool).await?)
    }

    /// Uses a verification token up; whether there was such a token.
    pub(crate) async fn verify(&self, token: &str) -> Result<bool, Error> {
        // One statement, so that a token is never used up without its user being verified.
        let verified = sqlx::query(
            "WITH used AS (DELETE FROM verifications WHERE token = $1 RETURNING user_id) \
             UPDATE users SET verified = TRUE FROM used WHERE id = used.user_id",
        );
        Ok(verified.bind(token).execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Finds a user by address.
    pub(crate) async fn find(&self, email: &Email) -> Result<Option<StoredUser>, Error> {
        let user = sqlx::query("SELECT id, email, password_hash, roles, tenant, verified FROM users WHERE email = $1");
        let row = user.bind(email.as_str()).fetch_optional(&self.pool).await?;
        Ok(row.as_ref().map(stored).transpose()?)
    }
}

fn stored(row: &PgRow) -> Result<StoredUser, sqlx::Error> {
    let roles: Vec<String> = row.try_get("roles")?;
    Ok(StoredUser {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        password_hash: row.try_get("password_hash")?,
        roles: roles.iter().filter_map(|name| role(name)).collect(),
        tenant: row.try_get("tenant")?,
        verified: row.try_get("verified")?,
    })
}

/// A role's name in the database.
fn name(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Supervisor => "supervisor",
        Role::Admin => "admin",
    }
}

/// The role of a name; a name that a newer version wrote grants nothing.
fn role(stored: &str) -> Option<Role> {
    [Role::User, Role::Supervisor, Role::Admin].into_iter().find(|role| name(*role) == stored)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_role_survives_the_database_and_an_unknown_name_grants_nothing() {
        for kept in [Role::User, Role::Supervisor, Role::Admin] {
            assert_eq!(role(name(kept)), Some(kept));
        }
        assert_eq!(role("root"), None);
    }
}
