ALTER TABLE folds DROP kinds;
DROP TABLE upkeeps, act_totals, stream_origin, pulses, cursors;
ALTER TABLE events DROP channel;
