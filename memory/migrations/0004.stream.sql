-- The knowledge stream: temporary channels, how far each group of consumers is, and the pulses.
-- depends: 0002.work

ALTER TABLE events ADD channel text NOT NULL DEFAULT '';  -- '': the knowledge stream itself
CREATE INDEX events_of_a_channel ON events (channel, xid, id) WHERE channel <> '';

CREATE TABLE cursors (
    name       text PRIMARY KEY,        -- a group of consumers, one of which reads at a time
    xid        xid8 NOT NULL DEFAULT '0',
    id         bigint NOT NULL DEFAULT 0,
    holder     text NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE pulses (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    text    text NOT NULL,
    author  text NOT NULL,              -- the model that wrote it, or how it was made without one
    labels  text[] NOT NULL,            -- of what it was made from: untrusted
    sources jsonb NOT NULL,             -- {"events": [id], "tasks": [id]}
    xid     xid8 NOT NULL,              -- the newest event that it takes in
    event   bigint NOT NULL,
    UNIQUE (xid, event)                 -- two workers make one pulse
);

-- Tells a Redis that serves two databases from one that serves ours.
CREATE TABLE stream_origin (id text NOT NULL);
INSERT INTO stream_origin VALUES (gen_random_uuid()::text);

-- What upkeep leaves of acts that are long over, and when it was last done.
CREATE TABLE act_totals (
    day      date NOT NULL,
    kind     text NOT NULL,
    subject  text NOT NULL,
    actor    text NOT NULL,
    status   text NOT NULL,
    acts     bigint NOT NULL,
    cost_usd numeric NOT NULL,
    tokens   bigint NOT NULL,
    PRIMARY KEY (day, kind, subject, actor, status)
);
CREATE TABLE upkeeps (
    at     timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    report jsonb NOT NULL
);

-- Which kinds a fold reads: these events are kept, so that it can be computed again.
ALTER TABLE folds ADD kinds text[] NOT NULL DEFAULT '{}';
