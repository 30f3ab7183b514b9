-- Budgets in tokens beside money, and spending that is only an estimate.
-- depends: 0002.work

ALTER TABLE budgets
    ALTER cap_usd DROP NOT NULL,        -- no cap of that kind
    ADD cap_tokens bigint,
    ADD reserved_tokens bigint NOT NULL DEFAULT 0 CHECK (reserved_tokens >= 0),
    ADD spent_tokens bigint NOT NULL DEFAULT 0;

ALTER TABLE acts
    ADD reserved_tokens bigint NOT NULL DEFAULT 0,
    ADD is_estimate boolean NOT NULL DEFAULT false;  -- a server has not said what it served

-- How many answers each model works on now is asked by every auction.
CREATE INDEX acts_of_now ON acts (kind, began_at) WHERE status = 'open';
