-- What LangSmith is told: which trace a task was, and which judgements and prompts it knows.
-- depends: 0012.learning

CREATE TABLE traces (
    task_id text PRIMARY KEY,
    run_id  uuid NOT NULL,              -- the root of its trace
    project text NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE mirrored (
    expert text PRIMARY KEY,
    move   bigint NOT NULL              -- of prompt_moves: how far the hub has followed
);

ALTER TABLE judgements ADD told boolean;  -- what LangSmith was told of it; NULL: nothing yet
