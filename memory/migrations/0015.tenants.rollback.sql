DELETE FROM pulses WHERE tenant <> 'default';
ALTER TABLE pulses DROP CONSTRAINT pulses_tenant_xid_event_key;
ALTER TABLE pulses DROP tenant;
ALTER TABLE pulses ADD UNIQUE (xid, event);
