-- What the agent of a boot last said to have been told, where that is further than committed_seq: a garbled message says
-- it once, an agent whose database was restored from a backup again and again.

ALTER TABLE agent_boot ADD COLUMN claimed_seq bigint;
