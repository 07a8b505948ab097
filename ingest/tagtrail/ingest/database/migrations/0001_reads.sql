-- Reads and how they came home: dictionaries, raw reads, the ledger of batches, quarantine, agents.
-- Times are UTC. Columns of tag_read are ordered by width, so that no byte is lost to alignment.

CREATE TABLE store (
    store_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store    text NOT NULL UNIQUE
);

CREATE TABLE antenna (
    antenna_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id   smallint NOT NULL REFERENCES store,
    reader     text NOT NULL,
    port       smallint NOT NULL,
    UNIQUE (store_id, reader, port)
);

CREATE TABLE tag (
    tag_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epc    text NOT NULL UNIQUE
);

-- One row per merged read. No B-tree: each random one costs ingest a factor of 3 to 6 (docs/decisions).
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        CREATE TABLE tag_read (
            time       timestamptz NOT NULL,
            tag_id     bigint NOT NULL,
            antenna_id integer NOT NULL,
            rssi_dbm   real,
            store_id   smallint NOT NULL,
            count      smallint NOT NULL
        );
        PERFORM create_hypertable('tag_read', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
    ELSE
        CREATE TABLE tag_read (
            time       timestamptz NOT NULL,
            tag_id     bigint NOT NULL,
            antenna_id integer NOT NULL,
            rssi_dbm   real,
            store_id   smallint NOT NULL,
            count      smallint NOT NULL
        ) PARTITION BY RANGE (time);
    END IF;
END
$$;
CREATE INDEX tag_read_time ON tag_read USING brin (time);

-- The ledger: a batch is here if and only if its reads are in tag_read (or its payload in quarantine).
CREATE TABLE batch (
    store_id     smallint NOT NULL REFERENCES store,
    agent        text NOT NULL,
    boot         text NOT NULL,
    seq          bigint NOT NULL,
    rows         integer NOT NULL,
    reads        bigint NOT NULL,
    first_time   timestamptz,
    last_time    timestamptz,
    -- Hash of the reads: tells a batch that comes again from another one under the same number.
    content      bytea,
    committed_at timestamptz NOT NULL DEFAULT now(),
    -- Readers of the ledger take rows with xid below pg_snapshot_xmin(pg_current_snapshot()), and so miss none that a
    -- slower transaction commits later.
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (store_id, agent, boot, seq)
);
CREATE INDEX batch_xid ON batch (xid);

-- Up to which batch nothing is missing: what the edge is told it may forget.
CREATE TABLE agent_boot (
    store_id      smallint NOT NULL REFERENCES store,
    agent         text NOT NULL,
    boot          text NOT NULL,
    committed_seq bigint NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store_id, agent, boot)
);

CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at   timestamptz NOT NULL DEFAULT now(),
    last_at       timestamptz NOT NULL DEFAULT now(),
    times         integer NOT NULL DEFAULT 1,
    topic         text NOT NULL,
    reason        text NOT NULL,
    message       text NOT NULL,
    sha256        bytea NOT NULL,
    payload       bytea NOT NULL,
    UNIQUE (topic, sha256)
);

CREATE TABLE agent_status (
    store_id    smallint NOT NULL REFERENCES store,
    agent       text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    time        timestamptz NOT NULL,
    state       text NOT NULL,
    status      jsonb NOT NULL,
    PRIMARY KEY (store_id, agent)
);

-- Versions of the store file. A measure belongs to the version that was valid at its time.
CREATE TABLE store_layout (
    layout_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id   smallint NOT NULL REFERENCES store,
    valid_from timestamptz NOT NULL,
    sha256     bytea NOT NULL,
    document   text NOT NULL,
    loaded_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (store_id, valid_from)
);

CREATE VIEW read AS
SELECT r.time, s.store, a.reader, a.port AS antenna, t.epc, r.rssi_dbm, r.count
FROM tag_read r
JOIN store s USING (store_id)
JOIN antenna a USING (antenna_id)
JOIN tag t USING (tag_id);
