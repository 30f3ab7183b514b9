DROP TABLE trial_outcomes;
DROP TABLE trials;
ALTER TABLE changes DROP takes_back;
