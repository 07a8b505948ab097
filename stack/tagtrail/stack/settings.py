"""Settings of a service: its struct's defaults, then TOML, then environment, then command line.

In a TOML file, what several services share (`SHARED`) stands at the top, the rest in a table per service::

    store = "store.toml"
    mqtt = "mqtt://broker.local:1883"

    [edge]
    agent = "edge-1"

The environment has ``TAGTRAIL_MQTT`` for all services and ``TAGTRAIL_EDGE_AGENT`` for one. Secrets (a database address,
a password) come from the environment only. Nothing here opens anything but the settings file; all faults are told at
once.
"""

import argparse
import difflib
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from tagtrail.hardware.errors import FaultsError, GiveUp

S = TypeVar("S", bound=msgspec.Struct)

SHARED: Final = ("store", "mqtt", "mqtt_user", "mqtt_password", "mqtt_ca", "dsn", "clock")
SECTIONS: Final = (
    "edge", "ingest", "analyze", "api", "scenarios", "simulate", "watch", "score", "compare", "record", "replay",
)  # fmt: skip


class Field(NamedTuple):
    """One setting, as the struct of its service describes it.

    ``attribute`` is its name there: that of a Python keyword has an underscore behind it.
    """

    attribute: str
    name: str
    type: Any  # a type expression: str, int | None, list[str]…
    description: str
    default: object
    required: bool
    secret: bool

    @property
    def is_list(self) -> bool:
        """Several values, separated by commas in environment and on the command line."""
        return get_origin(self.type) is list

    @property
    def is_flag(self) -> bool:
        """A yes or no."""
        return self.type is bool


def fields(struct: type[msgspec.Struct]) -> list[Field]:
    """The settings of a struct whose fields are ``Annotated[type, Meta(description=…)]``."""
    hints = get_type_hints(struct, include_extras=True)
    return list(_describe(struct, hints))


def _describe(struct: type[msgspec.Struct], hints: Mapping[str, Any]) -> Iterator[Field]:
    for info in msgspec.structs.fields(struct):
        hint = hints[info.name]
        kind, metas = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
        description, secret = "", False
        for meta in metas:
            if isinstance(meta, msgspec.Meta):
                description = meta.description or description
                secret = secret or bool((meta.extra or {}).get("secret"))
        default = info.default
        if default is msgspec.NODEFAULT and info.default_factory is not msgspec.NODEFAULT:
            default = info.default_factory()
        yield Field(info.name, info.name.removesuffix("_"), kind, description, default, info.required, secret)


def add_options(
    parser: argparse.ArgumentParser, struct: type[msgspec.Struct], names: Collection[str] | None = None
) -> None:
    """An option per setting, or only for those that are named, with its description and default; secrets have none."""
    for field in fields(struct):
        if field.secret or (names is not None and field.name not in names):
            continue
        option = "--" + field.name.replace("_", "-")
        text = field.description.replace("%", "%%")
        if field.is_flag:
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=text)
            continue
        shown = "" if field.required or field.default in (None, "", []) else f" (default: {_plain(field.default)})"
        metavar = "A,B" if field.is_list else "VALUE"
        parser.add_argument(option, default=None, metavar=metavar, help=text + shown)
    secrets = [f"TAGTRAIL_{field.name.upper()}: {field.description}" for field in fields(struct) if field.secret]
    if secrets and names is None:
        parser.epilog = "Only by environment: " + "; ".join(secrets)


def _plain(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def load_settings(
    struct: type[S],
    section: str,
    *,
    file: Path | None = None,
    environment: Mapping[str, str],
    options: Mapping[str, object],
) -> S:
    """Gather and check the settings of one service.

    Args:
        struct: The service's settings.
        section: Its table in the TOML file and its part in names of the environment.
        file: TOML file, if any.
        environment: As `os.environ`.
        options: Parsed command line; None means not given.

    Raises:
        FaultsError: All that is wrong, in one message.
    """
    faults: list[str] = []
    values: dict[str, object] = {}
    broken: set[str] = set()  # given, and useless: not "missing" as well

    def accept(field: Field, raw: object, where: str, *, strict: bool) -> None:
        if not strict and field.is_list:
            raw = [part for part in (piece.strip() for piece in str(raw).split(",")) if part]
        try:
            values[field.name] = msgspec.convert(raw, field.type, strict=strict)
        except msgspec.ValidationError as error:
            broken.add(field.name)
            faults.append(f"{where} = {raw!r}: {error}")

    known = {field.name: field for field in fields(struct)}
    if file is not None:
        for where, name, raw in _from_file(file, section, known, faults):
            accept(known[name], raw, f"{where}: {name}", strict=True)
    for prefix in ("TAGTRAIL_", f"TAGTRAIL_{section.upper()}_"):
        for name, field in known.items():
            if prefix == "TAGTRAIL_" and name not in SHARED:
                continue
            text = environment.get(prefix + name.upper())
            if text is not None:
                accept(field, text, prefix + name.upper(), strict=False)
    for name, field in known.items():
        given = options.get(name)
        if isinstance(given, str):
            accept(field, given, "--" + name.replace("_", "-"), strict=False)
        elif given is not None:
            values[name] = given
    faults.extend(
        f"{name} is missing: {_how_to_give(field, section)}"
        for name, field in known.items()
        if field.required and name not in values and name not in broken
    )
    if not faults:
        settings = struct(**{known[name].attribute: value for name, value in values.items()})
        check = getattr(settings, "faults", None)
        faults.extend(check() if check else [])
        if not faults:
            return settings
    raise FaultsError(f"settings of tagtrail {section}", faults)


def _how_to_give(field: Field, section: str) -> str:
    variable = f"TAGTRAIL_{field.name.upper()}" if field.name in SHARED else f"TAGTRAIL_{section}_{field.name}".upper()
    if field.secret:
        return f"set {variable} in the environment"
    return f"give --{field.name.replace('_', '-')}, {variable}, or {field.name} in the settings file"


def _from_file(
    file: Path, section: str, known: Mapping[str, Field], faults: list[str]
) -> Iterator[tuple[str, str, object]]:
    """(where, name, value) of all settings in the file that concern this service; shared ones first."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise GiveUp(f"settings file {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GiveUp(f"settings file {file}: {error}") from None
    allowed = (*SHARED, *SECTIONS)
    faults.extend(f"{file}: unknown key {key!r}{_did_you_mean(key, allowed)}" for key in document if key not in allowed)
    table = document.get(section, {})
    if not isinstance(table, dict):
        faults.append(f"{file}: {section!r} must be a table, [{section}]")
        table = {}
    shared = {key: value for key, value in document.items() if key in SHARED and key in known}
    for where, part in ((f"{file}", shared), (f"{file} [{section}]", table)):
        for name, value in part.items():
            if name not in known:
                faults.append(f"{where}: unknown key {name!r}{_did_you_mean(name, tuple(known))}")
            elif known[name].secret:
                faults.append(f"{where}: {name} is a secret; set TAGTRAIL_{name.upper()} in the environment instead")
            else:
                yield where, name, value


def _did_you_mean(word: str, candidates: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, candidates, n=1)
    return f", did you mean {close[0]!r}?" if close else ""
