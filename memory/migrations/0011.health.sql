-- Health: who lives, what was measured, which capabilities are on, and what could be gone back to.
-- depends: 0002.work

CREATE TABLE beats (                    -- the newest sign of life of each part
    name      text PRIMARY KEY,         -- kind:which
    kind      text NOT NULL,            -- router, store, scheduler, process, tools, model, system
    status    text NOT NULL CHECK (status IN ('pass', 'warn', 'fail')),
    said      text NOT NULL,            -- what is wrong
    value     double precision,
    unit      text NOT NULL,
    every_s   double precision NOT NULL, -- how soon the next one is due
    at        timestamptz NOT NULL,
    failed_at timestamptz,              -- the last time that it was not well, and what was said
    failed    text NOT NULL DEFAULT ''
);

CREATE TABLE measures (                 -- history: one row a source and minute
    source text NOT NULL,
    at     timestamptz NOT NULL,
    told   jsonb NOT NULL,              -- {name: value}
    PRIMARY KEY (source, at)
);
CREATE INDEX measures_by_time ON measures (at);

CREATE TABLE capabilities (             -- those that were moved; all others are as shipped
    name     text PRIMARY KEY,
    phase    text NOT NULL CHECK (phase IN ('dormant', 'isolated', 'active', 'hybrid')),
    paused   text NOT NULL DEFAULT '',  -- why it rests, whatever its phase; '': it does not
    failures int NOT NULL DEFAULT 0,    -- in a row, since it was last moved
    change   jsonb NOT NULL DEFAULT '{}', -- evidence of the last move
    moved_at timestamptz NOT NULL
);

CREATE TABLE snapshots (
    id     text PRIMARY KEY,
    at     timestamptz NOT NULL,
    folder text NOT NULL,
    report jsonb NOT NULL               -- what it holds, its digests, baseline figures
);
