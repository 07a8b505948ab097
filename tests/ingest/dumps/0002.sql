-- Rows that schema 2 had besides; three visits make two steps, one in an hour of its own.
INSERT INTO visit (store_id, tag_id, trip, zone, enter, exit, confidence, open) VALUES
    (1, 1, 1773453480000000, 'door', '2026-03-14 01:58:00+00', '2026-03-14 02:06:00+00', 0.9, false),
    (1, 1, 1773453480000000, 'hats', '2026-03-14 02:06:00+00', '2026-03-14 02:06:00+00', 0.5, false),
    (1, 1, 1773453480000000, 'shoes', '2026-03-14 03:00:00+00', '2026-03-14 03:10:00.5+00', 1, true),
    (1, 2, 1773453480000000, 'door', '2026-03-14 01:58:00+00', '2026-03-14 02:00:00+00', 0.9, false),
    (2, 1, 1773619200000000, 'till', '2026-03-16 00:00:00+00', '2026-03-16 00:04:00+00', 0.7, false);
INSERT INTO trip (store_id, tag_id, trip, start, "end", zones, open) VALUES
    (1, 1, 1773453480000000, '2026-03-14 01:58:00+00', '2026-03-14 03:10:00.5+00', '{door,hats,shoes}', true);
INSERT INTO analysis_cursor (store_id, xid, reads_to) VALUES (1, '5', '2026-03-14 02:00:01+00');
