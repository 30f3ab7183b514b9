DROP TABLE decisions, acts, budgets, folds, events, claims;
DROP SEQUENCE claim_tokens;
