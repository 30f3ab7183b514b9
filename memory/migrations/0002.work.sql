-- What the team works on: tasks and their answers, opportunities, changes and what people said.
-- depends: 0001.kernel

CREATE TABLE tasks (
    id         text PRIMARY KEY,
    thread_id  text NOT NULL,
    tenant     text NOT NULL,
    body       jsonb NOT NULL,
    status     text NOT NULL DEFAULT 'open',  -- open, or as the outcome says
    outcome    jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at   timestamptz
);
CREATE INDEX tasks_by_time ON tasks (created_at);

CREATE TABLE answers (
    scope      text NOT NULL,           -- tenant, workspace state, versions: who may be served
    question   text NOT NULL,           -- in its normal form
    outcome    jsonb NOT NULL,
    task_id    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,    -- absolute: being asked for does not prolong a life
    hits       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, question)
);

CREATE TABLE opportunities (
    id         text PRIMARY KEY,
    kind       text NOT NULL,
    subject    text NOT NULL,
    priority   text NOT NULL,
    evidence   jsonb NOT NULL,
    status     text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'claimed', 'closed')),
    claimed_by text,                    -- the thread that works on it
    verdict    text,                    -- how it ended
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at  timestamptz
);
CREATE UNIQUE INDEX one_opportunity_a_subject ON opportunities (kind, subject)
    WHERE status <> 'closed';

CREATE TABLE changes (
    id             text PRIMARY KEY,
    kind           text NOT NULL,
    subject        text NOT NULL,
    workspace      text NOT NULL,
    base           text NOT NULL,
    diff           text NOT NULL,
    digest         text NOT NULL,
    at             text NOT NULL,
    title          text NOT NULL,
    case_id        text NOT NULL,
    thread_id      text NOT NULL,
    opportunity_id text,
    evidence       jsonb NOT NULL DEFAULT '{}',  -- report, tests, rivals, verdict of the gate
    status         text NOT NULL CHECK (status IN
                       ('proposed', 'waiting', 'approved', 'rejected', 'applied', 'reverted', 'failed')),
    commit         text,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX changes_by_workspace ON changes (workspace, created_at);

CREATE TABLE approvals (
    change_id text NOT NULL REFERENCES changes (id),
    digest    text NOT NULL,            -- of the diff that the person saw
    type      text NOT NULL CHECK (type IN ('approve', 'edit', 'reject')),
    by        text NOT NULL,
    reason    text NOT NULL,
    diff      text,                     -- the person's own, where the answer is edit
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (change_id)             -- the first answer counts
);
