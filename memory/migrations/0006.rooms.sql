-- Minutes of war rooms, and trials of ways to work together.
-- depends: 0002.work

CREATE TABLE rooms (
    id        text PRIMARY KEY,         -- of the task: a task has one meeting
    thread_id text NOT NULL,
    domain    text NOT NULL,
    minutes   jsonb NOT NULL,           -- who said what, weights, costs, dissent, ruling
    ruled_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    truth     text,                     -- what was right, as far as it was shown
    judged_at timestamptz               -- once: a meeting counts once
);
