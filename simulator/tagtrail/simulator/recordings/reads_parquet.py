"""Loader for ``reads.parquet``, as ``tagtrail simulate run --out`` writes it: a simulated day through real lines."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.simulator.recordings.replay import RecordedRead

COLUMNS: Final = ["time", "reader", "antenna", "epc", "rssi_dbm"]


def load(path: Path) -> list[RecordedRead]:
    """All reads of a file, in order of time; the first is at second 0.

    Args:
        path: The file, or the folder that it is in.

    Raises:
        GiveUp: There is no such file, or it has other columns.
    """
    file = path / "reads.parquet" if path.is_dir() else path
    try:
        table = pq.read_table(file, columns=COLUMNS).sort_by("time")
    except (OSError, pa.ArrowException, KeyError) as error:
        raise GiveUp(f"{file}: no file of reads with the columns {', '.join(COLUMNS)}: {error}") from None
    if not table.num_rows:
        raise GiveUp(f"{file}: there are no reads in it")
    times_us = table["time"].to_numpy().astype("datetime64[us]").astype(np.int64)
    columns = (table[name].to_pylist() for name in COLUMNS[1:])
    return [
        RecordedRead(time_s, reader, TagSeen(epc=epc, antenna=antenna, rssi_dbm=rssi_dbm))
        for time_s, reader, antenna, epc, rssi_dbm in zip(
            ((times_us - times_us[0]) / 1e6).tolist(), *columns, strict=True
        )
    ]
