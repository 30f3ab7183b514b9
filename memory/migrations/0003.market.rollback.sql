DROP INDEX acts_of_now;
ALTER TABLE acts DROP reserved_tokens, DROP is_estimate;
DELETE FROM budgets WHERE cap_usd IS NULL;
ALTER TABLE budgets DROP cap_tokens, DROP reserved_tokens, DROP spent_tokens,
    ALTER cap_usd SET NOT NULL;
