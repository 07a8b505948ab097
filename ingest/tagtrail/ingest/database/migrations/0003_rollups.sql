-- Rollups of visits as tables, kept by triggers: right at every commit, whoever writes visits, in whatever order
-- (docs/decisions).

CREATE TABLE zone_5min (
    store_id   smallint NOT NULL REFERENCES store,
    time       timestamptz NOT NULL,
    zone       text NOT NULL,
    visits     bigint NOT NULL,
    visitors   bigint NOT NULL,
    dwell_s    numeric NOT NULL,
    -- Seconds that tags were there within these 5 minutes, all together; a three-hundredth of it is the mean occupancy.
    presence_s numeric NOT NULL,
    PRIMARY KEY (store_id, time, zone)
) WITH (fillfactor = 70);

CREATE TABLE flow_1h (
    store_id  smallint NOT NULL REFERENCES store,
    time      timestamptz NOT NULL,
    from_zone text NOT NULL,
    to_zone   text NOT NULL,
    steps     bigint NOT NULL,
    PRIMARY KEY (store_id, time, from_zone, to_zone)
) WITH (fillfactor = 70);

-- What is there already.
INSERT INTO zone_5min (store_id, time, zone, visits, visitors, dwell_s, presence_s)
SELECT store_id, bin, zone,
       count(*) FILTER (WHERE enter >= bin),
       count(DISTINCT tag_id) FILTER (WHERE enter >= bin),
       coalesce(sum(extract(epoch FROM exit - enter)) FILTER (WHERE enter >= bin), 0),
       sum(extract(epoch FROM least(exit, bin + INTERVAL '5 minutes') - greatest(enter, bin)))
FROM visit,
     generate_series(date_bin(INTERVAL '5 minutes', enter, TIMESTAMPTZ '2000-01-01 00:00:00+00'), exit,
                     INTERVAL '5 minutes') AS bin
GROUP BY 1, 2, 3;

INSERT INTO flow_1h (store_id, time, from_zone, to_zone, steps)
SELECT store_id, date_bin(INTERVAL '1 hour', enter, TIMESTAMPTZ '2000-01-01 00:00:00+00'), from_zone, to_zone, count(*)
FROM (
    SELECT store_id, enter, zone AS to_zone,
           lag(zone) OVER (PARTITION BY store_id, tag_id, trip ORDER BY enter) AS from_zone
    FROM visit
) step
WHERE from_zone <> to_zone
GROUP BY 1, 2, 3, 4;

-- Adds to the rollups what a statement has changed about them. The difference of what there is after the statement and
-- what there was before it, so the statement must be one of INSERT, UPDATE, DELETE, COPY; one that does two of these
-- (ON CONFLICT, MERGE) would be taken apart wrongly.
-- Retention deletes old visits and leaves their rollups: it sets tagtrail.rollups to 'keep' for its transaction; so does
-- a restore, which brings them along.
CREATE FUNCTION visit_roll_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_rows visit[];
    new_rows visit[];
BEGIN
    IF current_setting('tagtrail.rollups', true) = 'keep' THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        SELECT array_agg(gone) INTO old_rows FROM gone;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT array_agg(come) INTO new_rows FROM come;
    END IF;

    WITH changed AS (
        SELECT -1 AS sign, o.store_id, o.tag_id, o.zone, o.enter, o.exit FROM unnest(old_rows) AS o
        UNION ALL
        SELECT 1, n.store_id, n.tag_id, n.zone, n.enter, n.exit FROM unnest(new_rows) AS n
    ), begun AS (
        SELECT store_id, tag_id, zone, date_bin(INTERVAL '5 minutes', enter, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS time,
               sum(sign) AS visits, sum(sign * extract(epoch FROM exit - enter)) AS dwell_s
        FROM changed GROUP BY 1, 2, 3, 4
    ), part AS (
        -- A tag is one visitor, however often it comes: it counts when its first visit comes or its last one goes.
        SELECT b.store_id, b.time, b.zone, b.visits, b.dwell_s, 0 AS presence_s,
               CASE WHEN b.visits = 0 THEN 0 ELSE (v.there > 0)::int - (v.there > b.visits)::int END AS visitors
        FROM begun b LEFT JOIN LATERAL (
            SELECT count(*) AS there FROM visit
            WHERE store_id = b.store_id AND tag_id = b.tag_id AND zone = b.zone
              AND enter >= b.time AND enter < b.time + INTERVAL '5 minutes'
        ) v ON b.visits <> 0
        UNION ALL
        SELECT store_id, bin, zone, 0, 0,
               sign * extract(epoch FROM least(exit, bin + INTERVAL '5 minutes') - greatest(enter, bin)), 0
        FROM changed,
             generate_series(date_bin(INTERVAL '5 minutes', enter, TIMESTAMPTZ '2000-01-01 00:00:00+00'), exit,
                             INTERVAL '5 minutes') AS bin
    )
    INSERT INTO zone_5min AS z (store_id, time, zone, visits, visitors, dwell_s, presence_s)
    SELECT store_id, time, zone, sum(visits), sum(visitors), sum(dwell_s), sum(presence_s) FROM part
    GROUP BY 1, 2, 3
    HAVING sum(visits) <> 0 OR sum(visitors) <> 0 OR sum(dwell_s) <> 0 OR sum(presence_s) <> 0
    ON CONFLICT (store_id, time, zone) DO UPDATE
    SET visits = z.visits + excluded.visits, visitors = z.visitors + excluded.visitors,
        dwell_s = z.dwell_s + excluded.dwell_s, presence_s = z.presence_s + excluded.presence_s;

    -- Steps change only where a visit comes, goes or changes its zone, and then for its whole trip.
    WITH moved AS (
        SELECT DISTINCT store_id, tag_id, trip FROM (
            (SELECT o.store_id, o.tag_id, o.trip, o.enter, o.zone FROM unnest(old_rows) AS o
             EXCEPT SELECT n.store_id, n.tag_id, n.trip, n.enter, n.zone FROM unnest(new_rows) AS n)
            UNION ALL
            (SELECT n.store_id, n.tag_id, n.trip, n.enter, n.zone FROM unnest(new_rows) AS n
             EXCEPT SELECT o.store_id, o.tag_id, o.trip, o.enter, o.zone FROM unnest(old_rows) AS o)
        ) difference
    ), after AS (
        SELECT m.store_id, m.tag_id, m.trip, v.enter, v.zone
        FROM moved m CROSS JOIN LATERAL (
            -- A trip is the time of its first read, in microseconds.
            SELECT enter, zone FROM visit
            WHERE store_id = m.store_id AND tag_id = m.tag_id AND trip = m.trip
              AND enter >= TIMESTAMPTZ 'epoch' + (m.trip - 1000000) * INTERVAL '1 microsecond'
        ) v
    ), state AS (
        SELECT 1 AS sign, store_id, tag_id, trip, enter, zone FROM after
        UNION ALL
        SELECT -1, a.store_id, a.tag_id, a.trip, a.enter, a.zone
        FROM after a LEFT JOIN unnest(new_rows) AS n USING (store_id, tag_id, enter) WHERE n.tag_id IS NULL
        UNION ALL
        SELECT -1, o.store_id, o.tag_id, o.trip, o.enter, o.zone
        FROM unnest(old_rows) AS o JOIN moved USING (store_id, tag_id, trip)
    ), step AS (
        SELECT sign, store_id, date_bin(INTERVAL '1 hour', enter, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS time,
               lag(zone) OVER (PARTITION BY sign, store_id, tag_id, trip ORDER BY enter) AS from_zone, zone AS to_zone
        FROM state
    )
    INSERT INTO flow_1h AS f (store_id, time, from_zone, to_zone, steps)
    SELECT store_id, time, from_zone, to_zone, sum(sign) FROM step WHERE from_zone <> to_zone
    GROUP BY 1, 2, 3, 4 HAVING sum(sign) <> 0
    ON CONFLICT (store_id, time, from_zone, to_zone) DO UPDATE SET steps = f.steps + excluded.steps;
    RETURN NULL;
END
$$;

CREATE TRIGGER visit_come AFTER INSERT ON visit REFERENCING NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION visit_roll_up();
CREATE TRIGGER visit_change AFTER UPDATE ON visit REFERENCING OLD TABLE AS gone NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION visit_roll_up();
CREATE TRIGGER visit_go AFTER DELETE ON visit REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION visit_roll_up();

-- Floor traffic: visits that began, their visitors and seconds, and the seconds that tags were there.
CREATE OR REPLACE VIEW zone_traffic_5min AS
SELECT s.store, z.zone, z.time, z.visits, z.visitors, z.dwell_s, z.presence_s
FROM zone_5min z JOIN store s USING (store_id)
WHERE z.visits > 0 OR z.presence_s > 0;  -- of visits that came and went again with late reads, zeros are left

-- Flows: steps from a zone to the next other one within a trip, by the hour in which the other one was entered.
CREATE OR REPLACE VIEW flow_hour AS
SELECT s.store, f.from_zone, f.to_zone, f.time, f.steps
FROM flow_1h f JOIN store s USING (store_id)
WHERE f.steps > 0;
