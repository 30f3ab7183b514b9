-- Tasks that were done another way, too, for the sake of a paired trial: each of them once.
-- depends: 0007.trials

CREATE TABLE other_ways (
    task_id text PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
