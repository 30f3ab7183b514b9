DROP TABLE approvals, changes, opportunities, answers, tasks;
