ALTER TABLE judgements DROP told;
DROP TABLE mirrored;
DROP TABLE traces;
