-- Money is in whole micros. What is on hold has left the balance already, so the balance is what can still be spent.
create table accounts (
    user_id uuid primary key,
    balance_micros bigint not null default 0 check (balance_micros >= 0),
    held_micros bigint not null default 0 check (held_micros >= 0),
    created_at timestamptz not null default now()
);

create table credits (
    id uuid primary key,
    user_id uuid not null references accounts (user_id),
    amount_micros bigint not null check (amount_micros > 0),
    reason text not null,
    allocated_by uuid not null,
    allocated_at timestamptz not null default now()
);

create table holds (
    id uuid primary key,
    user_id uuid not null references accounts (user_id),
    session uuid not null,
    amount_micros bigint not null check (amount_micros > 0),
    state text not null default 'open' check (state in ('open', 'charged', 'released')),
    created_at timestamptz not null default now()
);

create table usage_records (
    id uuid primary key,
    -- A hold is charged once.
    hold uuid not null unique references holds (id),
    user_id uuid not null references accounts (user_id),
    session uuid not null,
    model text not null,
    tokens_in bigint not null check (tokens_in >= 0),
    tokens_out bigint not null check (tokens_out >= 0),
    cost_micros bigint not null check (cost_micros >= 0),
    partial boolean not null,
    at_ms bigint not null
);

create index usage_records_by_user on usage_records (user_id, at_ms desc);
