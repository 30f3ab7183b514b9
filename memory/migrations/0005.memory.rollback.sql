DROP TABLE predictions, news, feeds, installation, collections, recalled, memories, feedback, served, blocked, aliases, answers;
CREATE TABLE answers (
    scope      text NOT NULL,
    question   text NOT NULL,
    outcome    jsonb NOT NULL,
    task_id    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    hits       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, question)
);
