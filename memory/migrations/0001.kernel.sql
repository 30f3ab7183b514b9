-- What every run stands on: claims, acts and their budgets, events, decisions, folds.

CREATE SEQUENCE claim_tokens;

CREATE TABLE claims (
    thread_id     text PRIMARY KEY,
    stage         text NOT NULL,        -- the last one entered: the graph that has it can go on
    holder        text NOT NULL,
    token         bigint NOT NULL,      -- fencing: grows with every new holder, never restarts
    checkpoint_id text NOT NULL,        -- where the holder started from; who is behind is stale
    is_open       boolean NOT NULL DEFAULT false,  -- the holder is through: no need to wait
    input         jsonb,                -- what to begin with, should not even the start be kept
    expires_at    timestamptz NOT NULL
);

CREATE TABLE events (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid            xid8 NOT NULL DEFAULT pg_current_xact_id(),  -- who wrote it: folds read by it
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    correlation_id text NOT NULL,
    kind           text NOT NULL,
    body           jsonb NOT NULL
);
CREATE INDEX events_in_order ON events (xid, id);
CREATE INDEX events_of_a_case ON events (correlation_id, id);

CREATE TABLE folds (
    name  text PRIMARY KEY,
    xid   xid8 NOT NULL DEFAULT '0',
    id    bigint NOT NULL DEFAULT 0,
    state jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE budgets (
    name         text PRIMARY KEY,
    cap_usd      numeric NOT NULL,
    reserved_usd numeric NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0),
    spent_usd    numeric NOT NULL DEFAULT 0
);

CREATE TABLE acts (
    key          text PRIMARY KEY,
    case_id      text NOT NULL,
    kind         text NOT NULL,
    subject      text NOT NULL,
    actor        text NOT NULL,
    budgets      text[] NOT NULL,
    token        bigint,
    attempt      int NOT NULL DEFAULT 1,
    status       text NOT NULL CHECK (status IN ('open', 'done', 'failed')),
    reserved_usd numeric NOT NULL,
    cost_usd     numeric NOT NULL DEFAULT 0,
    tokens       bigint NOT NULL DEFAULT 0,
    result       jsonb,
    began_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz
);
CREATE INDEX acts_of_a_case ON acts (case_id);

CREATE TABLE decisions (
    seq       bigint PRIMARY KEY,
    body      text NOT NULL,            -- canonical JSON, so that the hash can be computed again
    hash      text NOT NULL UNIQUE,
    signature text NOT NULL             -- Ed25519 over the hash, hexadecimal
);
