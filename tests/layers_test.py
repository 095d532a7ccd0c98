#!/usr/bin/env python3
"""A layer includes only layers that stand left of it. Prints the first #include of each layer that points up.

Also: what stands in include/pailfs includes nothing from src, a library's headers stay in the layer that wraps it, and
only the name store sees what writes inode records.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORDER = ["base", "runtime", "http", "auth", "cos", "local", "cache", "vfs", "fuse", "cli"]
ALLOWED = {layer: set(ORDER[: place + 1]) for place, layer in enumerate(ORDER)}
ALLOWED["emulator"] = {"base", "emulator"}
ALLOWED["cli"].add("emulator")
PUBLIC = {"base", "http", "auth", "cos"}

# The layers that may include the headers of a library.
WRAPPERS = {
    "fuse": {"fuse"},
    "curl/": {"http"},
    "lmdb": {"local", "cache", "emulator"},
    "tinyxml2": {"cos", "emulator"},
    "boost/": {"emulator"},
    "CLI/": {"cli"},
}

# Rooms with one door: nobody else includes their other headers. So the name store alone writes inode records.
DOORS = {"local/names/": {"local/names/name_store.h"}}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def included(line):
    """(layer or None, is public, path) of a line that includes one of our headers or another's."""
    match = INCLUDE.match(line)
    if not match:
        return None
    mark, path = match.groups()
    parts = path.split("/")
    public = parts[0] == "pailfs"
    layer = parts[1] if public and len(parts) > 2 else parts[0]
    return (layer if mark == '"' and layer in ALLOWED else None), public, path


def complaint(layer, is_public_header, line):
    found = included(line)
    if found is None:
        return None
    target, public, path = found
    if target is None:
        for start, layers in WRAPPERS.items():
            if path.startswith(start) and layer not in layers:
                return f"<{path}> is for {', '.join(sorted(layers))} alone"
        return None
    if target not in ALLOWED[layer]:
        return f'"{path}" points up: {layer} must not know {target}'
    if is_public_header and not public:
        return f'"{path}" is not installed, but this header is'
    return None


def past_the_door(source, line):
    """`source` is a path below src."""
    found = included(line)
    for room, doors in DOORS.items():
        if found and found[2].startswith(room) and found[2] not in doors and not source.startswith(room):
            return f'"{found[2]}" is for {room} alone; include {", ".join(sorted(doors))}'
    return None


def sources(layer):
    places = [ROOT / "src" / layer] + ([ROOT / "include/pailfs" / layer] if layer in PUBLIC else [])
    return sorted(path for place in places for path in place.rglob("*") if path.suffix in {".h", ".cc"})


def first_complaint(layer):
    for path in sources(layer):
        is_public_header = "include" in path.relative_to(ROOT).parts
        for number, line in enumerate(path.read_text().splitlines(), 1):
            problem = complaint(layer, is_public_header, line) or past_the_door(
                path.relative_to(ROOT).as_posix().removeprefix("src/"), line)
            if problem:
                return f"{path.relative_to(ROOT)}:{number}: {problem}"
    return None


def main():
    assert past_the_door("vfs/files.cc", '#include "local/names/index.h"')
    assert not past_the_door("local/names/index.cc", '#include "local/names/index.h"')
    failed = 0
    for layer in ALLOWED:
        problem = first_complaint(layer)
        failed += problem is not None
        print(problem or f"{layer}: includes nothing above it")
    print(f"{len(ALLOWED) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
