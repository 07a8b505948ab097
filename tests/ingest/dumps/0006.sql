-- What schema 6 could tell besides: how long a quarantined message was, and when it came.
INSERT INTO quarantine (topic, reason, message, sha256, payload, size, heard_at) VALUES
    ('tagtrail/v1/south/edge-1/reads', 'bad-time', 'absurd', '\xad', '\x7b7d', 2, '2026-03-16 00:00:00+00');
