-- A pulse is a tenant's own: what one tenant asks is told to no other one.
-- depends: 0007.trials

ALTER TABLE pulses ADD tenant text NOT NULL DEFAULT 'default';
ALTER TABLE pulses DROP CONSTRAINT pulses_xid_event_key;
ALTER TABLE pulses ADD UNIQUE (tenant, xid, event);
