-- What a retry of a quarantined message needs: how long it was, and when it came in the store's time.

ALTER TABLE quarantine
    -- Bytes as it came; where that is more than is kept, the payload was cut and can't be read again.
    ADD COLUMN size bigint,
    -- The time that reads without one of their own were at. received_at is the database's clock.
    ADD COLUMN heard_at timestamptz;

UPDATE quarantine
SET size = coalesce((regexp_match(message, 'the first \d+ of (\d+) bytes are kept'))[1]::bigint, octet_length(payload)),
    heard_at = received_at;

ALTER TABLE quarantine
    ALTER COLUMN size SET NOT NULL,
    ALTER COLUMN heard_at SET NOT NULL;
