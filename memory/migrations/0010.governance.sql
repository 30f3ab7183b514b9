-- What people are asked before an act, how often acts were done lately, which policies held, audits.
-- depends: 0007.trials

CREATE TABLE escalations (
    id          text PRIMARY KEY,       -- hash of the act's name and of what it is
    act         jsonb NOT NULL,
    reasons     text[] NOT NULL,
    case_id     text NOT NULL,
    thread_id   text NOT NULL,          -- '': outside of any graph, the yes holds for one act
    stage       text NOT NULL,
    round       int NOT NULL,
    type        text CHECK (type IN ('approve', 'reject')),  -- NULL: nobody has answered
    by          text,
    reason      text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    answered_at timestamptz,
    used_at     timestamptz
);
CREATE INDEX escalations_to_answer ON escalations (created_at) WHERE type IS NULL;
CREATE INDEX escalations_of_a_case ON escalations (case_id);

CREATE TABLE rate_uses (                -- acts of the windows that rates look back on
    name text NOT NULL,
    at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX rate_uses_by_name ON rate_uses (name, at);

CREATE TABLE policy_sets (              -- what the hashes in the log stand for
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash  text NOT NULL,
    texts jsonb NOT NULL,               -- {"@id": "permit …;"}
    at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE audits (
    at     timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    report jsonb NOT NULL
);

-- What a policy has stopped is counted by every look at the figures.
CREATE INDEX decisions_denied ON decisions (seq) WHERE body LIKE '%"verdict":"deny"%';
