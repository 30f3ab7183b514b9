-- Prompts as immutable versions and the channels that point at them; judgements; trials beside.
-- depends: 0002.work

CREATE TABLE prompts (
    expert     text NOT NULL,
    version    int NOT NULL,
    text       text NOT NULL,
    digest     text NOT NULL,           -- SHA-256 of the text
    parent     int,                     -- the version that it was made from; none: a file, a person
    author     text NOT NULL,           -- the model that wrote it, or: file, studio, a person
    reason     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (expert, version),
    UNIQUE (expert, digest)
);

CREATE TABLE channels (
    expert  text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('production', 'staging', 'previous')),
    version int NOT NULL,
    PRIMARY KEY (expert, channel),
    FOREIGN KEY (expert, version) REFERENCES prompts (expert, version)
);

CREATE TABLE prompt_moves (             -- how production came to be what it is
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    expert  text NOT NULL,
    kind    text NOT NULL CHECK (kind IN ('seeded', 'staged', 'promoted', 'rolled_back', 'dropped')),
    before  int,
    after   int,
    by      text NOT NULL,
    reason  text NOT NULL,
    figures jsonb NOT NULL DEFAULT '{}',  -- of the trial
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX prompt_moves_of_an_expert ON prompt_moves (expert, id);

CREATE TABLE works (                    -- what an expert has made of a task, and what it is worth
    task_id  text NOT NULL,
    bidder   text NOT NULL,
    prompt   int,                       -- the version that it worked with; none: built in
    domain   text NOT NULL,
    answer   text NOT NULL,
    error    text NOT NULL,
    is_right boolean,                   -- what all judgements come to
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (task_id, bidder)
);
CREATE INDEX works_by_time ON works (at);

CREATE TABLE judgements (
    task_id  text NOT NULL,
    bidder   text NOT NULL,
    source   text NOT NULL CHECK (source IN ('tests', 'validator', 'person', 'judge')),
    is_right boolean NOT NULL,
    weight   double precision NOT NULL,
    reason   text NOT NULL,
    answer   text,                      -- what would have been right, where the source has said so
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (task_id, bidder, source),
    FOREIGN KEY (task_id, bidder) REFERENCES works (task_id, bidder) ON DELETE CASCADE
);

CREATE TABLE beside (                   -- tasks that a candidate does beside the incumbent
    trial_id   text NOT NULL,
    task_id    text NOT NULL,
    bidder     text NOT NULL,           -- the incumbent
    candidate  jsonb NOT NULL,          -- {"version": n} of its prompt, or {"model": name}
    context    jsonb NOT NULL,          -- what the incumbent was told
    award      jsonb NOT NULL,
    status     text NOT NULL DEFAULT 'waiting'
               CHECK (status IN ('waiting', 'answered', 'paired', 'left_out')),
    answer     text,                    -- the candidate's; none: it gave none that counts
    error      text,
    is_right   boolean,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (trial_id, task_id)
);
CREATE INDEX beside_to_do ON beside (created_at) WHERE status IN ('waiting', 'answered');

CREATE TABLE rewrites (                 -- tasks of the architect: one rewriting each
    id         text PRIMARY KEY,
    expert     text NOT NULL,           -- whose prompt
    student    text NOT NULL,           -- the bidder that was to get better
    architect  int NOT NULL,            -- the version of the architect's own prompt
    model      text NOT NULL,
    old        text NOT NULL,
    evidence   jsonb NOT NULL,          -- what it was shown; tasks by id
    new        text NOT NULL,
    before     double precision NOT NULL,  -- right answers of the student on these tasks, in [0, 1]
    after      double precision,        -- none: a guard refused the proposal
    fault      text,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
