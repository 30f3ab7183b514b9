-- What pages look up: who works on an open task, what was done today, how tools did by day.
-- depends: 0002.work

CREATE INDEX open_tasks_of_a_thread ON tasks (thread_id) WHERE status = 'open';
-- Written in order of time, so that a summary of each few blocks is enough, and costs nothing.
CREATE INDEX acts_by_time ON acts USING brin (began_at)
    WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX tool_acts_by_time ON acts (began_at) WHERE kind = 'call_tool';
CREATE INDEX judged_tools_by_time ON events (at) WHERE kind = 'tool.judged';
CREATE INDEX waiting_changes ON changes (created_at) WHERE status = 'waiting';
-- With what a summary by day needs, so that it reads none of the outcomes.
DROP INDEX tasks_by_time;
CREATE INDEX tasks_by_time ON tasks (created_at) INCLUDE (ended_at, status);
