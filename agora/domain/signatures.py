"""What a function of a workspace takes, read from its source: JSON schemas from annotations.

Only types that JSON can carry count. Nothing of the workspace runs to find out.
"""

import ast
import json
import warnings
from collections.abc import Iterator
from typing import Any

from agora.domain.contracts import Json

Function = ast.FunctionDef | ast.AsyncFunctionDef

_PLAIN = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "list": {"type": "array"},
    "List": {"type": "array"},
    "dict": {"type": "object"},
    "Dict": {"type": "object"},
}
_SPOKEN = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


def parsed(text: str) -> ast.Module | None:
    """Return the syntax tree of a source, or None if it has none; nobody is warned of its style."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def parameters_of(function: Function) -> Json | None:
    """Return the JSON schema of the parameters, or None where one is not typed for JSON."""
    arguments = function.args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        return None
    schemas = {
        one.arg: schema_of(one.annotation) for one in (*arguments.args, *arguments.kwonlyargs)
    }
    if None in schemas.values():
        return None
    defaults = dict(_defaults(arguments))
    properties = {name: dict(schema or {}) for name, schema in schemas.items()}
    for name, default in defaults.items():
        if _is_literal(default):
            properties[name]["default"] = ast.literal_eval(default)
    required = [name for name in properties if name not in defaults]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def schema_of(annotation: ast.expr | None) -> Json | None:
    """Return the JSON schema of an annotation, or None if it is none that JSON can carry."""
    match annotation:
        case ast.Constant(value=None):
            return _PLAIN["None"]
        case ast.Constant(value=str(text)):
            return _quoted(text)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _PLAIN.get(name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _any_of(left, right)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _generic(name, inner)
    return None


def _quoted(text: str) -> Json | None:
    try:
        return schema_of(ast.parse(text, mode="eval").body)
    except SyntaxError:
        return None


def _generic(name: str, inner: ast.expr) -> Json | None:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        values = [part.value for part in parts if isinstance(part, ast.Constant)]
        is_plain = all(isinstance(value, str | int | None) for value in values)
        return {"enum": values} if is_plain and len(values) == len(parts) else None
    if name == "Annotated":
        return schema_of(parts[0])
    if name == "Optional":
        return _any_of(inner, ast.Constant(None))
    if name == "Union":
        return _any_of(*parts)
    if name in ("list", "List"):
        items = schema_of(inner)
        return items and {"type": "array", "items": items}
    if name in ("dict", "Dict") and len(parts) == 2 and schema_of(parts[0]) == _PLAIN["str"]:
        values_schema = schema_of(parts[1])
        return values_schema and {"type": "object", "additionalProperties": values_schema}
    return None


def _any_of(*parts: ast.expr) -> Json | None:
    schemas = [schema_of(part) for part in parts]
    if None in schemas:
        return None
    flat = [one for schema in schemas if schema for one in schema.get("anyOf", [schema])]
    return {"anyOf": flat}


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    late = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    yield from ((one.arg, default) for one, default in zip(late, arguments.defaults, strict=True))
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            yield one.arg, default


def _is_literal(default: ast.expr) -> bool:
    try:
        json.dumps(ast.literal_eval(default), allow_nan=False)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def fits(value: Any, schema: Json) -> bool:
    """Return whether a JSON value is of the schema's type, with nothing converted: "2" is text."""
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    if "enum" in schema:
        return any(value == one and type(value) is type(one) for one in schema["enum"])
    match schema.get("type"):
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "array":
            items = schema.get("items", {})
            return isinstance(value, list) and all(fits(item, items) for item in value)
        case "object":
            items = schema.get("additionalProperties", {})
            return isinstance(value, dict) and all(
                isinstance(key, str) and fits(item, items) for key, item in value.items()
            )
    return True


def spoken(schema: Json) -> str:
    """Return a schema in words, such as `a list of integers`, for whoever has to fill it."""
    if "anyOf" in schema:
        return " or ".join(spoken(one) for one in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(value) for value in schema["enum"])
    inner = schema.get("items") or schema.get("additionalProperties")
    each = f", each {spoken(inner)}" if inner else ""
    return _SPOKEN.get(schema.get("type", ""), "anything") + each
