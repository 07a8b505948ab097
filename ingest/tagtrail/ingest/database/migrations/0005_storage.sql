-- Storage: antenna health, what retention has dropped, columnstore.

-- Antenna health per minute, recomputed by ingest's upkeep for the minutes that new batches of the ledger touch.

CREATE TABLE antenna_1min (
    time       timestamptz NOT NULL,
    antenna_id integer NOT NULL REFERENCES antenna,
    store_id   smallint NOT NULL REFERENCES store,
    rows       integer NOT NULL,
    reads      bigint NOT NULL,
    tags       integer NOT NULL,
    rssi_dbm   real,
    PRIMARY KEY (store_id, time, antenna_id)
);

CREATE TABLE antenna_cursor (
    store_id smallint PRIMARY KEY REFERENCES store,
    xid      xid8 NOT NULL
);

CREATE VIEW antenna_minute AS
SELECT s.store, a.reader, a.port AS antenna, m.time, m.rows, m.reads, m.tags, m.rssi_dbm
FROM antenna_1min m JOIN store s USING (store_id) JOIN antenna a USING (antenna_id);

-- Before this time, rows of the table may be gone. So what was made of them is not made again from what is left.
CREATE TABLE retention (
    what           text PRIMARY KEY,
    dropped_before timestamptz NOT NULL DEFAULT '-infinity',
    updated_at     timestamptz NOT NULL DEFAULT now()
);
INSERT INTO retention (what) VALUES ('tag_read'), ('visit');

-- Retention asks which batches brought something for a day that is past.
CREATE INDEX batch_time ON batch USING brin (first_time, last_time);

-- All batches of a boot up to this one are done with, though the ledger may have no row of them any more.
ALTER TABLE agent_boot ADD COLUMN thinned_seq bigint NOT NULL DEFAULT 0;

-- TimescaleDB: days that are over go to the columnstore. Ordered by tag, a read takes half of what it takes ordered by
-- time, and the reads of one tag are found without an index (docs/decisions). Late reads are let in all the same.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_class WHERE oid = 'tag_read'::regclass AND relkind = 'r')
       AND current_setting('timescaledb.license', true) = 'timescale' THEN
        ALTER TABLE tag_read SET (
            timescaledb.enable_columnstore, timescaledb.segmentby = 'antenna_id', timescaledb.orderby = 'tag_id, time'
        );
        CALL add_columnstore_policy('tag_read', after => INTERVAL '1 day');
    END IF;
END
$$;
