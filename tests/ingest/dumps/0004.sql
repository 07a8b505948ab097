-- What schema 4 could tell besides: of clocks.
INSERT INTO batch (store_id, agent, boot, seq, rows, reads, first_time, last_time, content, clock, clock_shift_us) VALUES
    (1, 'edge-1', 'b1', 4, 0, 0, NULL, NULL, NULL, 'corrected', 820454400000000),
    (1, 'edge-1', 'b1', 5, 0, 0, NULL, NULL, NULL, 'unknown', NULL);
UPDATE agent_status SET clock_skew_us = -1500 WHERE agent = 'edge-1';
