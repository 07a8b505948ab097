-- What is known of the clocks that reads are stamped by.

-- clock: NULL where it was right as far as anybody knows, 'corrected' where the times in tag_read are what the agent
-- stamped plus clock_shift_us, 'unknown' where they are wrong and nobody knows by how much.
ALTER TABLE batch ADD COLUMN clock text, ADD COLUMN clock_shift_us bigint;

-- How much later it was at ingest than at the agent's machine when it said so: the least of the last minutes, since the
-- way only adds. Negative where the machine's clock is fast. NULL where it was not told.
ALTER TABLE agent_status ADD COLUMN clock_skew_us bigint;
