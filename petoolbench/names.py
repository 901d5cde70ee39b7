"""Tool names as three-part paths: ``<Category>.<Provider>.<Endpoint>``, each part of any characters."""

from __future__ import annotations


def join_tool_name(category: str, provider: str, endpoint: str) -> str:
    """Return the name of a tool path."""
    return f"<{category}>.<{provider}>.<{endpoint}>"


def split_tool_name(name: str) -> tuple[str, str, str]:
    """Return (category, provider, endpoint); a name of another form is an endpoint without the other two."""
    parts = name.removeprefix("<").removesuffix(">").split(">.<", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", "", name)
