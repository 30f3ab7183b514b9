DROP INDEX waiting_changes, judged_tools_by_time, acts_by_time, open_tasks_of_a_thread;
