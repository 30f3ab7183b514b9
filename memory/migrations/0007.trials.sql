-- Paired trials that prove a change of any kind, and which change takes which other one back.
-- depends: 0006.rooms

ALTER TABLE changes ADD takes_back text NOT NULL DEFAULT '';

CREATE TABLE trials (
    id         text PRIMARY KEY,
    kind       text NOT NULL,           -- prompt, plan, synthesis, patch, capability, …
    subject    text NOT NULL,           -- whose incumbent is challenged
    candidate  jsonb NOT NULL,          -- what challenges it
    status     text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'promoted', 'dropped', 'expired', 'reverted')),
    wins       integer NOT NULL DEFAULT 0,   -- pairs that only the candidate has right
    losses     integer NOT NULL DEFAULT 0,   -- … that only the incumbent has right
    pairs      integer NOT NULL DEFAULT 0,
    right_ones integer NOT NULL DEFAULT 0,   -- of the candidate, in its pairs
    watched    double precision NOT NULL DEFAULT 0,  -- the sum of its watch since it was promoted
    began_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at   timestamptz
);
CREATE UNIQUE INDEX one_trial_a_subject ON trials (kind, subject) WHERE status = 'running';

CREATE TABLE trial_outcomes (
    trial_id  text NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
    task_id   text NOT NULL,            -- each task counts once
    incumbent boolean,                  -- NULL: an outcome after the promotion
    candidate boolean NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (trial_id, task_id)
);
