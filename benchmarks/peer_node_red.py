"""The fastest flow for Node-RED that we know; what `bench_ingest` measures beside ingest where that is installed.

mqtt in (JSON) → function that lays a batch into arrays → postgresql, one INSERT … SELECT FROM unnest() per message, on
the node's usual pool of ten connections → function → mqtt out. The arrays go as literals, and the server looks names
up: plain arrays with a name per read are slower, since the driver quotes their values one by one.

Each message is a transaction of its own, acknowledged by Node-RED itself when it comes, and nothing tells the flow that
a batch is there already. The connections commit in any order, so the flow says on ``…/committed`` what it has written
whenever all that has come from an agent is written. Names are stored as they come: there are no dictionaries. The table
is that of `peer_executemany.py`.

Needs node-red and node-red-contrib-postgresql, installed by npm into one folder: that of the `node-red` on PATH, or
what ``TAGTRAIL_NODE_RED`` names.
"""

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from psycopg.conninfo import conninfo_to_dict

from tagtrail.hardware.wire import ReadBatch, committed_topic, encode, reads_topic
from tagtrail.stack import process

POSTGRESQL_NODE = "node-red-contrib-postgresql"
MISSING = f"no ingest_vs_node_red: no node-red with {POSTGRESQL_NODE} on PATH or where TAGTRAIL_NODE_RED says"
READY_TRIES, READY_WAIT_S = 300, 0.2
INSERT = """
INSERT INTO peer_read
SELECT to_timestamp(($1::float8 + dt) / 1e6), $2, ($3::text[])[reader + 1], antenna, ($4::text[])[tag + 1],
    rssi_dbm, count
FROM unnest($5::int[], $6::smallint[], $7::smallint[], $8::int[], $9::real[], $10::smallint[])
    AS read (dt, reader, antenna, tag, rssi_dbm, count)
"""
TO_ARRAYS = """
const batch = msg.payload;
const agents = flow.get('agents');
const agent = agents[msg.topic] ??= {};
agent.under_way = (agent.under_way ?? 0) + 1;
agent.newest = {boot: batch.boot, seq: batch.seq};
const columns = ['readers', 'tags', 'dt', 'reader', 'antenna', 'tag', 'rssi', 'count'];
msg.params = [
    batch.t0, msg.topic.split('/')[2], ...columns.map(name => '{' + JSON.stringify(batch[name]).slice(1, -1) + '}'),
];
return msg;
"""
TO_COMMITTED = """
const agent = flow.get('agents')[msg.topic];
agent.under_way -= 1;
return agent.under_way ? null : {topic: msg.topic.replace('/reads', '/committed'), payload: agent.newest};
"""


def find() -> Path | None:
    """The program, if it is there with the node for PostgreSQL."""
    folder = os.environ.get("TAGTRAIL_NODE_RED")
    program = shutil.which("node-red", path=f"{folder}/node_modules/.bin" if folder else None)
    if program is None or not (Path(program).resolve().parents[1] / POSTGRESQL_NODE).is_dir():
        return None
    return Path(program)


def start(program: Path, folder: Path, dsn: str, port: int, store: str) -> subprocess.Popen[bytes]:
    """Run the flow for a store, from files made in ``folder``; the broker is on the loopback address."""
    folder.mkdir()
    (folder / "flows.json").write_text(json.dumps(flow(port, store)))
    settings = {"flowFile": "flows.json", "httpAdminRoot": False, "httpNodeRoot": False, "credentialSecret": False}
    (folder / "settings.js").write_text(f"module.exports = {json.dumps(settings)}")
    server = {f"PG{key.removeprefix('db').upper()}": str(value) for key, value in conninfo_to_dict(dsn).items()}
    server["PGDATABASE"] = server.pop("PGNAME")
    with (folder / "log").open("wb") as log:
        return process.start(
            [program, "--userDir", folder, "--settings", folder / "settings.js"],
            env={**os.environ, **server},
            stdout=log.fileno(),
        )


def wait_ready(folder: Path, port: int, store: str) -> None:
    """Send empty batches until the flow answers one: then it has subscribed."""
    answered = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda *_: answered.set()
    client.on_connect = lambda client, *_: client.subscribe(committed_topic(store, "probe"), 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    empty = ReadBatch(
        v=1,
        agent="probe",
        boot="",
        seq=1,
        t0=0,
        tags=[],
        readers=[],
        tag=[],
        reader=[],
        antenna=[],
        dt=[],
        rssi=[],
        count=[],
    )
    try:
        for _ in range(READY_TRIES):
            client.publish(reads_topic(store, "probe"), encode(empty))
            if answered.wait(READY_WAIT_S):
                return
    finally:
        client.disconnect()
        client.loop_stop()
    raise TimeoutError(f"Node-RED did not start:\n{(folder / 'log').read_text()}")


def flow(port: int, store: str) -> list[dict[str, object]]:
    """What the editor would export."""
    return [
        {"id": "tab", "type": "tab", "label": store},
        {"id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": port, "clientid": "node-red"},
        {"id": "server", "type": "postgreSQLConfig", "max": 10},
        {
            "type": "mqtt in",
            "broker": "broker",
            "topic": reads_topic(store, "+"),
            "qos": "1",
            "datatype": "json",
            **wired("in", "arrays"),
        },
        {"type": "function", "initialize": "flow.set('agents', {});", "func": TO_ARRAYS, **wired("arrays", "insert")},
        {"type": "postgresql", "postgreSQLConfig": "server", "query": INSERT, **wired("insert", "committed")},
        {"type": "function", "func": TO_COMMITTED, **wired("committed", "out")},
        {"type": "mqtt out", "broker": "broker", **wired("out")},
    ]


def wired(name: str, *to: str) -> dict[str, object]:
    """What all nodes of the flow have."""
    return {"id": name, "z": "tab", "wires": [list(to)] if to else []}
