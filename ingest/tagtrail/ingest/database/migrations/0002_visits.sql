-- What analytics makes of the reads. Written by analytics alone, replaced whenever late reads change history.

-- A stay of a tag in a zone. open: the tag may still be there, leave may grow.
CREATE TABLE visit (
    store_id   smallint NOT NULL REFERENCES store,
    tag_id     bigint NOT NULL REFERENCES tag,
    trip       bigint NOT NULL,
    zone       text NOT NULL,
    enter      timestamptz NOT NULL,
    exit       timestamptz NOT NULL,
    confidence real NOT NULL,
    open       boolean NOT NULL,
    PRIMARY KEY (store_id, tag_id, enter)
);
CREATE INDEX visit_time ON visit (store_id, enter);
CREATE INDEX visit_open ON visit (store_id) WHERE open;

-- A stay of a tag in the store; trip is its start in microseconds since 1970 UTC, zones in order of entering.
CREATE TABLE trip (
    store_id smallint NOT NULL REFERENCES store,
    tag_id   bigint NOT NULL REFERENCES tag,
    trip     bigint NOT NULL,
    start    timestamptz NOT NULL,
    "end"    timestamptz NOT NULL,
    zones    text[] NOT NULL,
    open     boolean NOT NULL,
    PRIMARY KEY (store_id, tag_id, trip)
);
CREATE INDEX trip_time ON trip (store_id, start);

-- How far analytics has read the ledger: all batches with a lower xid are in visit and trip.
CREATE TABLE analysis_cursor (
    store_id   smallint PRIMARY KEY REFERENCES store,
    xid        xid8 NOT NULL,
    reads_to   timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Floor traffic: visits that began, and seconds stood, per zone and 5 minutes.
CREATE VIEW zone_traffic_5min AS
SELECT s.store, v.zone,
       date_bin(INTERVAL '5 minutes', v.enter, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS time,
       count(*) AS visits,
       count(DISTINCT v.tag_id) AS visitors,
       sum(extract(epoch FROM v.exit - v.enter)) AS dwell_s
FROM visit v JOIN store s USING (store_id)
GROUP BY 1, 2, 3;

-- Flows: steps from a zone to the next other one within a trip, per hour.
CREATE VIEW flow_hour AS
SELECT store, from_zone, to_zone, date_bin(INTERVAL '1 hour', enter, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS time,
       count(*) AS steps
FROM (
    SELECT s.store, v.enter, v.zone AS to_zone,
           lag(v.zone) OVER (PARTITION BY v.store_id, v.tag_id, v.trip ORDER BY v.enter) AS from_zone
    FROM visit v JOIN store s USING (store_id)
) step
WHERE from_zone <> to_zone  -- a zone left and entered again with nothing in between is no step
GROUP BY 1, 2, 3, 4;
