-- Meetings that a person is to rule; and what is newer than a fold is found by kind.
-- depends: 0004.stream

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
