"""All that a scenario file can say, with meanings and defaults: made from the structs, so it is never out of date."""

import json
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from tagtrail.simulator.scenario import ScenarioFile


def scenario_keys() -> str:
    """A scenario file in TOML with every key: those that have a default are comments."""
    return "\n".join(
        [
            '# like = "quiet-tuesday"  # another scenario, bundled or beside this one: what stands here goes before it',
            *_table(ScenarioFile, ""),
        ]
    )


def _table(model: type[msgspec.Struct], header: str) -> Iterator[str]:
    """Keys first, then the tables below."""
    hints = get_type_hints(model, include_extras=True)
    fields = sorted(msgspec.structs.fields(model), key=lambda info: _inner(hints[info.name]) is not None)
    for info in fields:
        hint = hints[info.name]
        if inner := _inner(hint):
            name = f"{header}.{info.name}" if header else info.name
            origin = get_origin(hint)
            shown = f"[[{name}]]" if origin is tuple else f"[{name}.ZONE]" if origin is dict else f"[{name}]"
            yield f"\n{shown}"
            yield from _table(inner, name)
        elif info.required:
            yield f"{info.name} =   # {_meaning(hint)}"
        else:
            yield f"# {info.name}{_shown(info)}  # {_meaning(hint)}"


def _inner(hint: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - a type expression
    origin, arguments = get_origin(hint), get_args(hint)
    model = arguments[0] if origin is tuple else arguments[1] if origin is dict else hint
    return model if isinstance(model, type) and issubclass(model, msgspec.Struct) else None


def _meaning(hint: Any) -> str:  # noqa: ANN401 - a type expression
    """The outermost description, and the words that are allowed."""
    found = ""
    words: tuple[str, ...] = ()
    todo = [hint]
    while todo:
        one = todo.pop(0)
        arguments = get_args(one)
        if get_origin(one) is Literal:
            words = arguments
        elif get_origin(one) is Annotated:
            found = found or next((meta.description for meta in reversed(arguments[1:]) if meta.description), "")
            todo.append(arguments[0])
        elif get_origin(one) in {Union, UnionType}:
            todo.extend(arguments)
    return f"{found}: {', '.join(words)}" if words else found


def _shown(info: msgspec.structs.FieldInfo) -> str:
    """The default as TOML has it; what it has no word for is just absent."""
    value = info.default if info.default is not msgspec.NODEFAULT else info.default_factory()
    if value is None or value == "" or value == float("inf"):
        return " ="
    return " = {}" if value == {} else f" = {json.dumps(msgspec.to_builtins(value), ensure_ascii=False)}"
