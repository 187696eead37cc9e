//! Accounts in PostgreSQL.

use super::{Hold, Store, StoreError};
use contract::accounting::{Balance, Usage};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

/// A store in the service's own database.
#[derive(Debug, Clone)]
pub struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Makes a store of a pool whose database has been migrated.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

impl Store for Postgres {
    async fn account(&self, user: Uuid) -> Result<Balance, StoreError> {
        // The update that changes nothing makes the insert return the row that is already there.
        let row = sqlx::query(
            "insert into accounts (user_id) values ($1)
             on conflict (user_id) do update set user_id = excluded.user_id
             returning user_id, balance_micros, held_micros",
        )
        .bind(user)
        .fetch_one(&self.pool)
        .await?;
        Ok(balance(&row)?)
    }

    async fn credit(
        &self,
        user: Uuid,
        amount_micros: i64,
        reason: &str,
        allocated_by: Uuid,
    ) -> Result<Balance, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query(
            "insert into accounts (user_id, balance_micros) values ($1, $2)
             on conflict (user_id) do update set balance_micros = accounts.balance_micros + excluded.balance_micros
             returning user_id, balance_micros, held_micros",
        )
        .bind(user)
        .bind(amount_micros)
        .fetch_one(&mut *transaction)
        .await?;
        sqlx::query(
            "insert into credits (id, user_id, amount_micros, reason, allocated_by) values ($1, $2, $3, $4, $5)",
        )
        .bind(Uuid::new_v4())
        .bind(user)
        .bind(amount_micros)
        .bind(reason)
        .bind(allocated_by)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(balance(&row)?)
    }

    async fn hold(&self, user: Uuid, session: Uuid, amount_micros: i64) -> Result<Option<Hold>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let moved = sqlx::query(
            "update accounts set balance_micros = balance_micros - $2, held_micros = held_micros + $2
             where user_id = $1 and balance_micros >= $2",
        )
        .bind(user)
        .bind(amount_micros)
        .execute(&mut *transaction)
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(None);
        }
        let hold = Hold { id: Uuid::new_v4(), user, session, amount_micros };
        sqlx::query("insert into holds (id, user_id, session, amount_micros) values ($1, $2, $3, $4)")
            .bind(hold.id)
            .bind(user)
            .bind(session)
            .bind(amount_micros)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(hold))
    }

    async fn open_hold(&self, hold: Uuid) -> Result<Option<Hold>, StoreError> {
        let row = sqlx::query("select id, user_id, session, amount_micros from holds where id = $1 and state = 'open'")
            .bind(hold)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| read_hold(&row)).transpose()?)
    }

    async fn charge(&self, hold: &Hold, usage: &Usage) -> Result<Option<Balance>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let Some(balance) = close(&mut transaction, hold, "charged", usage.cost_micros).await? else {
            return Ok(None);
        };
        record(&mut transaction, hold, usage).await?;
        transaction.commit().await?;
        Ok(Some(balance))
    }

    async fn release(&self, hold: &Hold) -> Result<Option<Balance>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let balance = close(&mut transaction, hold, "released", 0).await?;
        transaction.commit().await?;
        Ok(balance)
    }

    async fn usage(&self, user: Uuid, session: Option<Uuid>) -> Result<Vec<Usage>, StoreError> {
        let rows = sqlx::query(
            "select id, session, model, tokens_in, tokens_out, cost_micros, partial, at_ms from usage_records
             where user_id = $1 and ($2::uuid is null or session = $2) order by at_ms desc, id",
        )
        .bind(user)
        .bind(session)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(read_usage).collect::<Result<_, _>>()?)
    }
}

/// Closes a hold if it is open still; of two that try at once, the row lock lets one through.
async fn close(
    connection: &mut PgConnection,
    hold: &Hold,
    state: &str,
    cost_micros: i64,
) -> Result<Option<Balance>, sqlx::Error> {
    let closed = sqlx::query("update holds set state = $2 where id = $1 and state = 'open'")
        .bind(hold.id)
        .bind(state)
        .execute(&mut *connection)
        .await?;
    if closed.rows_affected() == 0 {
        return Ok(None);
    }
    let row = sqlx::query(
        "update accounts set held_micros = held_micros - $2, balance_micros = balance_micros + $2 - $3
         where user_id = $1 returning user_id, balance_micros, held_micros",
    )
    .bind(hold.user)
    .bind(hold.amount_micros)
    .bind(cost_micros)
    .fetch_one(connection)
    .await?;
    balance(&row).map(Some)
}

async fn record(connection: &mut PgConnection, hold: &Hold, usage: &Usage) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into usage_records
         (id, hold, user_id, session, model, tokens_in, tokens_out, cost_micros, partial, at_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(usage.id)
    .bind(hold.id)
    .bind(hold.user)
    .bind(usage.session)
    .bind(&usage.model)
    // The domain refuses counts beyond this range before it charges.
    .bind(i64::try_from(usage.tokens_in).unwrap_or(i64::MAX))
    .bind(i64::try_from(usage.tokens_out).unwrap_or(i64::MAX))
    .bind(usage.cost_micros)
    .bind(usage.partial)
    .bind(usage.at_ms)
    .execute(connection)
    .await
    .map(drop)
}

fn balance(row: &PgRow) -> Result<Balance, sqlx::Error> {
    Ok(Balance {
        user: row.try_get("user_id")?,
        balance_micros: row.try_get("balance_micros")?,
        held_micros: row.try_get("held_micros")?,
    })
}

fn read_hold(row: &PgRow) -> Result<Hold, sqlx::Error> {
    Ok(Hold {
        id: row.try_get("id")?,
        user: row.try_get("user_id")?,
        session: row.try_get("session")?,
        amount_micros: row.try_get("amount_micros")?,
    })
}

fn read_usage(row: &PgRow) -> Result<Usage, sqlx::Error> {
    Ok(Usage {
        id: row.try_get("id")?,
        session: row.try_get("session")?,
        model: row.try_get("model")?,
        tokens_in: row.try_get::<i64, _>("tokens_in")?.unsigned_abs(),
        tokens_out: row.try_get::<i64, _>("tokens_out")?.unsigned_abs(),
        cost_micros: row.try_get("cost_micros")?,
        partial: row.try_get("partial")?,
        at_ms: row.try_get("at_ms")?,
    })
}
