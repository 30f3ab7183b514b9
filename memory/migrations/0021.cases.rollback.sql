DROP INDEX decisions_of_a_case;
