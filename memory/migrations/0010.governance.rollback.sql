DROP INDEX decisions_denied;
DROP TABLE audits, policy_sets, rate_uses, escalations;
