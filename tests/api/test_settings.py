from tagtrail.api.settings import ApiSettings


def test_defaults_need_only_a_database() -> None:
    assert ApiSettings(dsn="postgresql://localhost/tagtrail").faults() == []


def test_all_faults_are_told_at_once() -> None:
    settings = ApiSettings(
        dsn=" ", host="", port=70_000, default_store="No Such", clock="fast", presence_s=0, stale_s=1e9
    )
    names = [fault.split()[0].rstrip(":") for fault in settings.faults()]
    assert names == ["dsn", "host", "port", "default_store", "presence_s", "stale_s", "clock"]
