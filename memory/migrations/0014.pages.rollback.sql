DROP INDEX tasks_by_time;
CREATE INDEX tasks_by_time ON tasks (created_at);
DROP INDEX waiting_changes, judged_tools_by_time, tool_acts_by_time, acts_by_time, open_tasks_of_a_thread;
