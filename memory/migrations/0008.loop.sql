-- Tools under watch: the registry, calls to replay, loops, and alerts.
-- depends: 0007.trials

CREATE TABLE tools (
    workspace   text NOT NULL,
    name        text NOT NULL,
    kind        text NOT NULL,              -- function, langchain, mcp
    path        text NOT NULL,              -- a file of the work tree, or mcp:SERVER
    capability  text NOT NULL,
    body        jsonb NOT NULL,             -- the whole Tool
    digest      text NOT NULL,              -- of its source, or of what its server says
    source      text NOT NULL DEFAULT '',   -- what brings it back, should it be deleted
    probed      text NOT NULL DEFAULT '',   -- the digest that inputs were generated for
    seen_at     timestamptz NOT NULL,       -- first
    gone_at     timestamptz,
    archived_at timestamptz,
    PRIMARY KEY (workspace, name)
);

CREATE TABLE good_calls (
    workspace text NOT NULL,
    path      text NOT NULL,
    tool      text NOT NULL,
    digest    text NOT NULL,                -- of the arguments
    arguments jsonb NOT NULL,
    result    jsonb,
    latency_s double precision NOT NULL,
    times     bigint NOT NULL DEFAULT 1,
    is_stable boolean NOT NULL DEFAULT true,  -- the same arguments have always given this result
    at        timestamptz NOT NULL,         -- of the last one
    PRIMARY KEY (workspace, path, tool, digest)
);

CREATE TABLE loops (
    id                     text PRIMARY KEY,  -- of workspace and name: its threads begin with it
    workspace              text NOT NULL,
    name                   text NOT NULL,
    preset                 text NOT NULL,
    task                   jsonb NOT NULL,    -- what every run of it is given
    status                 text NOT NULL CHECK (status IN ('running', 'paused', 'stopped')),
    started_at             timestamptz NOT NULL,
    next_at                timestamptz NOT NULL,
    next_maintenance_at    timestamptz NOT NULL,
    last_check             timestamptz,
    last_maintenance       timestamptz,
    cycle_count            bigint NOT NULL DEFAULT 0,
    cycles_completed       bigint NOT NULL DEFAULT 0,
    cycle_s                double precision NOT NULL DEFAULT 0,
    opportunities_detected bigint NOT NULL DEFAULT 0,
    tools_analyzed         bigint NOT NULL DEFAULT 0,
    maintenance_runs       bigint NOT NULL DEFAULT 0,
    looked_at              text NOT NULL DEFAULT ''  -- the commit whose tests it has run
);

CREATE TABLE alerts (
    id       text PRIMARY KEY,
    kind     text NOT NULL,
    subject  text NOT NULL,
    severity text NOT NULL,
    text     text NOT NULL,
    at       timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    times    bigint NOT NULL DEFAULT 1,     -- the same again within the time that repeats count
    status   text NOT NULL CHECK (status IN ('waiting', 'sent', 'held', 'failed')),
    tries    int NOT NULL DEFAULT 0,
    told     jsonb NOT NULL DEFAULT '{}'    -- what became of it on each channel
);
CREATE INDEX alerts_by_subject ON alerts (kind, subject, at);
CREATE INDEX alerts_by_time ON alerts (at);

ALTER TABLE approvals ADD COLUMN decision bigint;  -- its place in the signed log
CREATE INDEX opportunities_by_run ON opportunities (claimed_by text_pattern_ops);
-- Computed anew, with latency and time of every call.
DELETE FROM folds WHERE name = 'tool_records';
