-- The solution library: what accepted fixes teach the next search.
-- depends: 0008.loop

CREATE TABLE solutions (
    change_id   text PRIMARY KEY REFERENCES changes (id) ON DELETE CASCADE,
    operator    text NOT NULL,               -- of the edit, such as off_by_one
    context     text NOT NULL,               -- the kinds of node that it changes and stands in
    exception   text NOT NULL,               -- what the failing tests raised
    candidates  int NOT NULL,                -- that were tried
    until_first int NOT NULL,                -- of them, up to the first that passed
    lesson      jsonb NOT NULL,              -- how candidates looked, and which passed
    instinct    jsonb NOT NULL,              -- weights learnt from the newest ones, this included
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX solutions_by_time ON solutions (at);
