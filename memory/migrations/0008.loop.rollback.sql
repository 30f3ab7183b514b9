DELETE FROM folds WHERE name = 'tool_records';
DROP INDEX opportunities_by_run;
ALTER TABLE approvals DROP COLUMN decision;
DROP TABLE alerts, loops, good_calls, tools;
