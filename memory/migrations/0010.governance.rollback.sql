DROP TABLE audits, policy_sets, rate_uses, escalations;
