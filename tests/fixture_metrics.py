"""Reads the metrics that a service serves, strictly."""

import re
import urllib.request
from collections import defaultdict

from tagtrail.hardware.prometheus import CONTENT_TYPE

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]

_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? ([-+0-9.e]+|NaN)')
_LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def parse(text: str) -> Samples:
    """A strict reader of the text format: a metric's help and type come first, its samples in one block after them."""
    assert text.endswith("\n")
    found: Samples = defaultdict(dict)
    kinds: dict[str, str] = {}
    name = ""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in kinds, "one block per metric"
            assert len(line.split()) > 3
            word, typed, kinds[name] = next(lines).removeprefix("# ").split()
            assert (word, typed) == ("TYPE", name)
            assert (kinds[name] == "counter") == name.endswith("_total")
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] == name or (
            kinds[name] == "histogram" and match[1] in {name + suffix for suffix in ("_bucket", "_sum", "_count")}
        )
        labels = tuple((k, re.sub(r"\\.", lambda m: _ESCAPED[m[0]], v)) for k, v in _LABEL.findall(match[2] or ""))
        assert labels not in found[match[1]], "one value per set of labels"
        found[match[1]][labels] = float(match[3])
    return found


def get(port: int, path: str = "/metrics") -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        return parse(answer.read().decode())
