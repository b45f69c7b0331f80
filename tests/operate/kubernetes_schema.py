"""Whether an object is one that the Kubernetes API takes: the part of JSON Schema that its OpenAPI document uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_API = json.loads(Path(__file__).with_name("kubernetes-api.json").read_text())
_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def faults(manifest: Any) -> list[str]:
    """What the API server would refuse, each with its path; [] for nothing."""
    kind = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
    if kind not in _API["kinds"]:
        return [f"{kind} is not in kubernetes-api.json"]
    return _faults(manifest, {"$ref": _API["kinds"][kind]}, manifest["kind"])


def _faults(value: Any, schema: dict[str, Any], path: str) -> list[str]:
    if "$ref" in schema:
        return _faults(value, _API["definitions"][schema["$ref"]], path)
    if "oneOf" in schema:
        return [] if any(not _faults(value, s, path) for s in schema["oneOf"]) else [f"{path}: {value!r} fits nothing"]
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is(value, t) for t in types):
        return [f"{path}: {value!r} is not of type {' or '.join(types)}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: {value!r} is none of {schema['enum']}"]
    if isinstance(value, dict):
        return _object_faults(value, schema, path)
    if isinstance(value, list):
        items = schema.get("items", {})
        return [fault for i, item in enumerate(value) for fault in _faults(item, items, f"{path}[{i}]")]
    return []


def _object_faults(value: dict[str, Any], schema: dict[str, Any], path: str) -> list[str]:
    found = [f"{path}: {name} is missing" for name in schema.get("required", []) if name not in value]
    properties = schema.get("properties", {})
    for name, member in value.items():
        if name in properties:
            found += _faults(member, properties[name], f"{path}.{name}")
        elif isinstance(schema.get("additionalProperties"), dict):
            found += _faults(member, schema["additionalProperties"], f"{path}.{name}")
        elif properties or schema.get("additionalProperties") is False:
            found.append(f"{path}: no such member: {name}")
    return found


def _is(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        return isinstance(value, (int, float) if kind == "number" else int) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind])
