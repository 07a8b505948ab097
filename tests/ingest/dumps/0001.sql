-- Rows as schema 1 had them; on plain PostgreSQL the test makes the partitions first.
INSERT INTO store (store) VALUES ('north'), ('south');
INSERT INTO antenna (store_id, reader, port) VALUES (1, 'r01', 1), (1, 'r01', 2), (2, 'r01', 1);
INSERT INTO tag (epc) VALUES ('E28011606000020512345678'), ('E28011606000020512345679');
INSERT INTO tag_read (time, tag_id, antenna_id, rssi_dbm, store_id, count) VALUES
    ('2026-03-14 02:00:00.000001+00', 1, 1, -61.5, 1, 3), ('2026-03-14 02:00:01+00', 2, 2, NULL, 1, 1),
    ('2026-03-15 23:59:59.999999+00', 1, 3, -40, 2, 32767), ('2000-01-01 00:00:07+00', 2, 2, -70.1, 1, 1);
INSERT INTO batch (store_id, agent, boot, seq, rows, reads, first_time, last_time, content) VALUES
    (1, 'edge-1', 'b1', 1, 2, 4, '2026-03-14 02:00:00.000001+00', '2026-03-14 02:00:01+00', '\x0102030405060708'),
    (1, 'edge-1', 'b1', 2, 0, 0, NULL, NULL, NULL),
    (1, 'edge-1', 'b1', 3, 1, 1, '2000-01-01 00:00:07+00', '2000-01-01 00:00:07+00', '\x01'),
    (2, 'edge-1', 'b7', 9, 1, 32767, '2026-03-15 23:59:59.999999+00', '2026-03-15 23:59:59.999999+00', '\x02');
INSERT INTO agent_boot (store_id, agent, boot, committed_seq) VALUES (1, 'edge-1', 'b1', 3), (2, 'edge-1', 'b7', 9);
INSERT INTO quarantine (topic, reason, message, sha256, payload) VALUES
    ('tagtrail/v1/north/edge-1/reads', 'not-json', 'batch is not JSON', '\xaa', '\x7b'),
    ('tagtrail/v1/north/edge-1/reads', 'too-large', 'large (the first 4194304 of 5000000 bytes are kept)', '\xab', '\x00');
INSERT INTO agent_status (store_id, agent, time, state, status) VALUES
    (1, 'edge-1', '2026-03-14 02:00:00+00', 'online', '{"v": 1}');
INSERT INTO store_layout (store_id, valid_from, sha256, document) VALUES (1, '2026-01-01+00', '\xac', '[store]');
