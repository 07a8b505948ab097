-- What schema 7 could tell besides: what an agent said to have been told.
UPDATE agent_boot SET claimed_seq = 12 WHERE boot = 'b7';
