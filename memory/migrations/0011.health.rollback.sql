DROP TABLE snapshots, capabilities, measures, beats;
