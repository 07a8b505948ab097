"""What people glue together: paho, the json module and executemany; what `bench_ingest` measures beside ingest.

One message per transaction, acknowledged by paho itself, as the tutorials do; nothing tells it that a batch is there
already. It says on ``…/committed`` what it has written, so that the clock can be stopped. Names are stored as they
come: there are no dictionaries.

Usage: python peer_executemany.py DSN HOST PORT STORE
"""

import json
import sys

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

TABLE = """
CREATE TABLE IF NOT EXISTS peer_read (
    time timestamptz NOT NULL, store text NOT NULL, reader text NOT NULL, antenna smallint NOT NULL, epc text NOT NULL,
    rssi_dbm real, count smallint NOT NULL
)
"""
INSERT = "INSERT INTO peer_read VALUES (to_timestamp(%s / 1e6), %s, %s, %s, %s, %s, %s)"


def main() -> None:
    """Write for ever."""
    dsn, host, port, store = sys.argv[1:]
    connection = psycopg.connect(dsn, application_name="peer")
    connection.execute(TABLE)
    connection.execute("CREATE INDEX IF NOT EXISTS peer_read_time ON peer_read USING brin (time)")
    connection.commit()

    def on_message(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        batch = json.loads(message.payload)
        rows = [
            (batch["t0"] + dt, store, batch["readers"][reader], antenna, batch["tags"][tag], rssi, count)
            for tag, reader, antenna, dt, rssi, count in zip(
                *(batch[name] for name in ("tag", "reader", "antenna", "dt", "rssi", "count")), strict=True
            )
        ]
        with connection.cursor() as cursor:
            cursor.executemany(INSERT, rows)
        connection.commit()
        client.publish(
            message.topic.replace("/reads", "/committed"), json.dumps({key: batch[key] for key in ("boot", "seq")})
        )

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="peer")
    client.on_connect = lambda client, *_: client.subscribe(f"tagtrail/v1/{store}/+/reads", 1)
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.on_message = on_message
    client.connect(host, int(port))
    client.loop_forever()


if __name__ == "__main__":
    main()
