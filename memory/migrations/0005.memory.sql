-- What is remembered: answers under their gate keys, who was served them, memories, feedback.
-- depends: 0002.work

DROP TABLE IF EXISTS answers;           -- it knew exact repeats only; a lost answer is given again

CREATE TABLE answers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),  -- who wrote it: the index reads by it
    tenant     text NOT NULL,
    scope      text NOT NULL,           -- hash: workspace state, versions, … who may be served
    question   text NOT NULL,           -- as it was asked
    form       text NOT NULL,           -- hash of its normal form
    key        text NOT NULL,           -- hash of its gate key
    outcome    jsonb NOT NULL,
    source     text NOT NULL,           -- task, or where it was read: news
    task_id    text NOT NULL,
    expert     text,
    cost_usd   numeric NOT NULL,        -- of the answer, and so saved by each hit
    latency_s  double precision NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,    -- absolute: being asked for does not prolong a life
    hits       bigint NOT NULL DEFAULT 0,
    UNIQUE (scope, form)
);
CREATE INDEX answers_by_key ON answers (scope, key);
CREATE INDEX answers_in_order ON answers (tenant, xid, id);
CREATE INDEX answers_of_a_task ON answers (task_id);
CREATE INDEX answers_by_expiry ON answers (expires_at);

CREATE TABLE aliases (                  -- a judge has said that this key asks for that answer
    scope      text NOT NULL,
    key        text NOT NULL,
    answer_id  bigint NOT NULL REFERENCES answers (id) ON DELETE CASCADE,
    question   text NOT NULL,
    judge      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (scope, key, answer_id)
);
CREATE INDEX aliases_of_an_answer ON aliases (answer_id);

CREATE TABLE blocked (                  -- a person has said that these are two questions, for good
    tenant     text NOT NULL,
    one        text NOT NULL,           -- forms, the smaller first
    other      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, one, other)
);

CREATE TABLE served (
    task_id       text PRIMARY KEY,
    answer_id     bigint NOT NULL,      -- the answer itself may be gone
    tenant        text NOT NULL,
    form          text NOT NULL,        -- of the task's question
    answered_form text NOT NULL,        -- of the question that the answer was given to
    how           text NOT NULL,        -- exact, gate, alias, judge
    source        text NOT NULL,
    cost_usd      numeric NOT NULL,     -- saved
    latency_s     double precision NOT NULL,
    at            timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE feedback (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id text NOT NULL,
    word    text NOT NULL CHECK (word IN ('good', 'bad')),
    comment text NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX feedback_of_a_task ON feedback (task_id);

CREATE TABLE memories (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tenant     text NOT NULL,
    kind       text NOT NULL,           -- outcome, tool, reflection, feedback
    text       text NOT NULL,
    digest     text NOT NULL,           -- of the text: told twice is remembered once
    origin     text NOT NULL,           -- which task, expert or tool it comes from
    labels     text[] NOT NULL DEFAULT '{}',
    quality    double precision NOT NULL CHECK (quality BETWEEN 0 AND 1),
    uses       bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    is_archived boolean NOT NULL DEFAULT false,
    is_compared boolean NOT NULL DEFAULT false,  -- with all others, for duplicates
    UNIQUE (tenant, kind, digest)
);
CREATE INDEX memories_in_order ON memories (tenant, xid, id);
CREATE INDEX memories_by_origin ON memories (origin);

CREATE TABLE recalled (                 -- what a task was told: its outcome judges that, too
    task_id   text NOT NULL,
    memory_id bigint NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
    PRIMARY KEY (task_id, memory_id)
);
CREATE INDEX recalled_of_a_memory ON recalled (memory_id);

CREATE TABLE collections (              -- how far each collection of the index has read its table
    id   text PRIMARY KEY,              -- Chroma's own: a collection made anew begins anew
    name text NOT NULL,
    xid  xid8 NOT NULL DEFAULT '0',
    row  bigint NOT NULL DEFAULT 0
);

CREATE TABLE installation (             -- one row: tells this database from others on one Chroma
    id uuid PRIMARY KEY DEFAULT gen_random_uuid()
);
INSERT INTO installation DEFAULT VALUES;

CREATE TABLE feeds (
    url      text PRIMARY KEY,
    name     text NOT NULL,
    etag     text NOT NULL DEFAULT '',
    modified text NOT NULL DEFAULT '',
    fault    text NOT NULL DEFAULT '',  -- of the last reading
    read_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE news (
    link         text PRIMARY KEY,
    feed         text NOT NULL,
    title        text NOT NULL,
    summary      text NOT NULL,
    published_at timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX news_by_time ON news (published_at);

CREATE TABLE predictions (
    tenant   text NOT NULL,
    question text NOT NULL,
    trend    text NOT NULL,
    task_id  text NOT NULL,             -- of the answer that was given ahead
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, question)
);
CREATE INDEX predictions_by_task ON predictions (task_id);
