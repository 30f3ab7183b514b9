-- Meetings that a person is to rule; what is newer than a fold; what calls of a tool add up to.
-- depends: 0005.memory

CREATE TABLE appeals (
    room_id     text PRIMARY KEY,
    thread_id   text NOT NULL,
    task        jsonb NOT NULL,
    ruling      jsonb NOT NULL, -- what the votes came to
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    answer      text, -- '': the person leaves it open; null: nobody has said anything
    by          text,
    answered_at timestamptz
);
CREATE INDEX events_of_a_kind ON events (kind, xid, id) WHERE channel = '';
-- What a tool's calls add up to is one memory; those of single calls are told no more.
ALTER TABLE memories ADD COLUMN tally jsonb;
UPDATE memories SET is_archived = true WHERE kind = 'tool';
