//! Sessions, messages and events in PostgreSQL.

use crate::ChatError;
use contract::chat::{Event, EventKind, Message, Session, SessionState, Speaker};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

/// What was said and what happened, in the service's own database.
///
/// Moments are in milliseconds since the Unix epoch. What happens is written together with its event, or not at all.
#[derive(Debug, Clone)]
pub struct Sessions {
    pool: PgPool,
}

/// Every kind of event.
const KINDS: [EventKind; 6] = [
    EventKind::Created,
    EventKind::Message,
    EventKind::Reply,
    EventKind::Interrupted,
    EventKind::Feedback,
    EventKind::Completed,
];

/// The database's word for a kind of event.
fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Created => "created",
        EventKind::Message => "message",
        EventKind::Reply => "reply",
        EventKind::Interrupted => "interrupted",
        EventKind::Feedback => "feedback",
        EventKind::Completed => "completed",
    }
}

#[expect(clippy::missing_errors_doc, reason = "each fails only as the database does, or as its first line says")]
impl Sessions {
    /// Makes them of a pool whose database has been migrated.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Creates an open session.
    pub async fn create(&self, user: Uuid, scenario: &str, model: &str, at_ms: i64) -> Result<Uuid, ChatError> {
        let session = Uuid::new_v4();
        let mut transaction = self.pool.begin().await?;
        sqlx::query("insert into sessions (id, user_id, scenario, model, created_ms) values ($1, $2, $3, $4, $5)")
            .bind(session)
            .bind(user)
            .bind(scenario)
            .bind(model)
            .bind(at_ms)
            .execute(&mut *transaction)
            .await?;
        note(&mut transaction, session, EventKind::Created, scenario, at_ms).await?;
        transaction.commit().await?;
        Ok(session)
    }

    /// Reads a session with its messages, oldest first, or fails with `UnknownSession`.
    pub async fn read(&self, session: Uuid) -> Result<Session, ChatError> {
        let row = sqlx::query("select user_id, scenario, model, state from sessions where id = $1")
            .bind(session)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(ChatError::UnknownSession { session })?;
        let messages = sqlx::query("select speaker, text, at_ms from messages where session = $1 order by id")
            .bind(session)
            .fetch_all(&self.pool)
            .await?;
        let completed = row.try_get::<String, _>("state")? == "completed";
        Ok(Session {
            session,
            user: row.try_get("user_id")?,
            scenario: row.try_get("scenario")?,
            model: row.try_get("model")?,
            state: if completed { SessionState::Completed } else { SessionState::Open },
            messages: messages.iter().map(message).collect::<Result<_, _>>()?,
        })
    }

    /// Writes down what the user said.
    pub async fn say(&self, session: Uuid, text: &str, at_ms: i64) -> Result<(), ChatError> {
        self.write(session, "user", text, (EventKind::Message, text), at_ms).await
    }

    /// Writes down what the engine replied, whole or as far as it came, and which of the two.
    pub async fn reply(
        &self,
        session: Uuid,
        text: &str,
        ended: (EventKind, &str),
        at_ms: i64,
    ) -> Result<(), ChatError> {
        self.write(session, "assistant", text, ended, at_ms).await
    }

    /// Writes down a supervisor's note, or fails with `UnknownSession`.
    pub async fn feedback(&self, session: Uuid, text: &str, at_ms: i64) -> Result<(), ChatError> {
        let mut connection = self.pool.acquire().await?;
        match note(&mut connection, session, EventKind::Feedback, text, at_ms).await {
            Err(error)
                if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation) =>
            {
                Err(ChatError::UnknownSession { session })
            }
            noted => Ok(noted?),
        }
    }

    /// Closes a session with its score, or fails with `Completed` when somebody else just did.
    pub async fn complete(&self, session: Uuid, score: u8, at_ms: i64) -> Result<(), ChatError> {
        let mut transaction = self.pool.begin().await?;
        let closed =
            sqlx::query("update sessions set state = 'completed', score = $2 where id = $1 and state = 'open'")
                .bind(session)
                .bind(i16::from(score))
                .execute(&mut *transaction)
                .await?;
        if closed.rows_affected() == 0 {
            return Err(ChatError::Completed { session });
        }
        note(&mut transaction, session, EventKind::Completed, &format!("score {score}"), at_ms).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Lists the events of a session, newest first.
    pub async fn events(&self, session: Uuid) -> Result<Vec<Event>, ChatError> {
        let rows = sqlx::query("select kind, detail, at_ms from events where session = $1 order by id desc")
            .bind(session)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().map(event).collect::<Result<_, _>>()?)
    }

    async fn write(
        &self,
        session: Uuid,
        speaker: &str,
        text: &str,
        (kind, detail): (EventKind, &str),
        at_ms: i64,
    ) -> Result<(), ChatError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("insert into messages (session, speaker, text, at_ms) values ($1, $2, $3, $4)")
            .bind(session)
            .bind(speaker)
            .bind(text)
            .bind(at_ms)
            .execute(&mut *transaction)
            .await?;
        note(&mut transaction, session, kind, detail, at_ms).await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn note(
    connection: &mut PgConnection,
    session: Uuid,
    kind: EventKind,
    detail: &str,
    at_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into events (session, kind, detail, at_ms) values ($1, $2, $3, $4)")
        .bind(session)
        .bind(word(kind))
        .bind(detail)
        .bind(at_ms)
        .execute(connection)
        .await
        .map(drop)
}

fn message(row: &PgRow) -> Result<Message, sqlx::Error> {
    let by_user = row.try_get::<String, _>("speaker")? == "user";
    Ok(Message {
        speaker: if by_user { Speaker::User } else { Speaker::Assistant },
        text: row.try_get("text")?,
        at_ms: row.try_get("at_ms")?,
    })
}

fn event(row: &PgRow) -> Result<Event, sqlx::Error> {
    let written: String = row.try_get("kind")?;
    let kind = KINDS.into_iter().find(|kind| word(*kind) == written);
    let kind = kind.ok_or_else(|| sqlx::Error::Decode(format!("unknown kind of event `{written}`").into()))?;
    Ok(Event { kind, detail: row.try_get("detail")?, at_ms: row.try_get("at_ms")? })
}
