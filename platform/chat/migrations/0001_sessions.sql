create table sessions (
    id uuid primary key,
    user_id uuid not null,
    scenario text not null,
    model text not null,
    state text not null default 'open' check (state in ('open', 'completed')),
    score smallint check (score between 0 and 100),
    created_ms bigint not null
);

-- The order of saying is the order of the ids: two messages of one millisecond stay apart.
create table messages (
    id bigint generated always as identity primary key,
    session uuid not null references sessions (id),
    speaker text not null check (speaker in ('user', 'assistant')),
    text text not null,
    at_ms bigint not null
);

create table events (
    id bigint generated always as identity primary key,
    session uuid not null references sessions (id),
    kind text not null,
    detail text not null,
    at_ms bigint not null
);

create index messages_by_session on messages (session, id);
create index events_by_session on events (session, id desc);
