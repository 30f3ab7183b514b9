ALTER TABLE memories DROP COLUMN tally;
DROP INDEX events_of_a_kind;
DROP TABLE appeals;
