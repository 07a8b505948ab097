"""What Prometheus is told of ingest."""

import socket

from fixture_agent import FakeAgent
from fixture_ingest import Agents, IngestProcess, wait_until
from fixture_metrics import get, parse
from fixture_mqtt import MqttBroker
from tagtrail.hardware.prometheus import Histogram
from tagtrail.hardware.wire import Committed
from tagtrail.ingest.metrics import Metrics
from tagtrail.ingest.writer import Outcome

AGENT = FakeAgent()


def test_a_histogram_counts_all_that_is_no_larger() -> None:
    histogram = Histogram([1, 2.5])
    for value in (0.5, 1, 2, 9):
        histogram.observe(value)
    found = {(sample.suffix, *sample.labels.values()): sample.value for sample in histogram.samples()}
    assert found == {
        ("_bucket", "1"): 2,
        ("_bucket", "2.5"): 3,
        ("_bucket", "+Inf"): 4,
        ("_sum",): 12.5,
        ("_count",): 4,
    }


def test_all_that_was_done_is_told() -> None:
    sizes = iter([None, 8192])
    metrics = Metrics(
        waiting=lambda: 7,
        at_broker=lambda: True,
        at_database=lambda: False,
        quarantine_bytes=lambda: next(sizes),
        quarantine_shed=lambda: {"cut": 5, "forgotten": 0},
    )
    assert parse(metrics.text())["tagtrail_ingest_reads_total"] == {(): 0}
    for took_s, newest_us in ((0.004, 500_000), (0.2, None)):
        outcome = Outcome(batches=2, reads=30, duplicates=1, statuses=1, newest_us=newest_us)
        outcome.quarantined.update(["version", "not-json", "version"])
        metrics.add(outcome, messages=7, took_s=took_s, now_us=700_000, skews_us={("riverside", "edge-1"): -1_500_000})
    found = {name.removeprefix("tagtrail_ingest_"): samples for name, samples in parse(metrics.text()).items()}
    for name, value in {
        "messages_total": 14,
        "batches_total": 4,
        "reads_total": 60,
        "duplicates_total": 2,
        "statuses_total": 2,
        "waiting_messages": 7,
        "quarantine_bytes": 8192,
        "broker_connected": 1,
        "database_connected": 0,
        "last_lag_seconds": 0.2,
        "transaction_reads_sum": 60,
        "transaction_reads_count": 2,
        "lag_seconds_count": 1,
    }.items():
        assert found[name] == {(): value}, name
    assert found["quarantined_total"] == {(("reason", "version"),): 4, (("reason", "not-json"),): 2}
    assert found["quarantine_shed_total"] == {(("how", "cut"),): 5, (("how", "forgotten"),): 0}
    assert found["commit_seconds_bucket"][(("le", "0.005"),)] == 1
    assert found["commit_seconds_bucket"][(("le", "0.25"),)] == 2
    assert found["agent_clock_skew_seconds"] == {(("store", "riverside"), ("agent", "edge-1")): -1.5}


def test_a_running_service_serves_them(schema: str, mqtt_broker: MqttBroker, ingest: IngestProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        ingest.start(dsn=schema, mqtt=mqtt_broker.url, metrics_port=port)
        assert ingest.wait() == 1
        assert f"metrics cannot be served at 127.0.0.1:{port}" in ingest.log
    ingest.start(dsn=schema, mqtt=mqtt_broker.url, metrics_port=port)
    ingest.wait_connected()
    wait_until(lambda: get(port)["tagtrail_ingest_database_connected"] == {(): 1}, "all writers are there")
    agents = Agents(mqtt_broker.host, mqtt_broker.port)
    try:
        for seq in (1, 2, 2, 3):
            agents.publish(AGENT.topic, AGENT.payload(seq))
        agents.publish(AGENT.topic, b"nonsense")
        wait_until(lambda: agents.told.get("edge-1") == Committed("b1", 3), "commits")
    finally:
        agents.close()
    wait_until(lambda: get(port)["tagtrail_ingest_messages_total"] == {(): 5}, "the last message")
    found = get(port)
    assert found["tagtrail_ingest_reads_total"] == {(): 60}
    assert found["tagtrail_ingest_duplicates_total"] == {(): 1}
    assert found["tagtrail_ingest_quarantined_total"] == {(("reason", "not-json"),): 1}
    wait_until(lambda: "tagtrail_ingest_quarantine_bytes" in get(port), "the upkeep's first pass")
    assert found["tagtrail_ingest_broker_connected"] == found["tagtrail_ingest_database_connected"] == {(): 1}
    assert found["tagtrail_ingest_waiting_messages"] == {(): 0}
    mqtt_broker.kill()
    wait_until(lambda: get(port)["tagtrail_ingest_broker_connected"] == {(): 0}, "the loss of the broker")
    assert ingest.terminate() == 0
