-- What schema 5 could tell besides: how far retention has come.
UPDATE retention SET dropped_before = '2000-01-01+00' WHERE what = 'tag_read';
UPDATE agent_boot SET thinned_seq = 3 WHERE boot = 'b1';
