DROP TABLE stream_origin, pulses, cursors;
ALTER TABLE events DROP channel;
