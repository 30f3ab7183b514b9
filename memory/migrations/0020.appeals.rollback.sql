DROP INDEX events_of_a_kind;
DROP TABLE appeals;
