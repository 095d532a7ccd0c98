#!/usr/bin/env python3
"""What layers_test.py does not see: who schedules, rooms within a layer, cycles, sizes.

Each rule is first shown to find what it forbids, in a few lines made up here; then it goes over the sources.
"""
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Threads, locks, promises, stop tokens, clocks and random numbers are those of base; what queues is runtime's. The supervisor lives in
# a process of its own, and the emulator is no part of the file system.
SCHEDULES = ("src/base/", "include/pailfs/base/", "src/runtime/", "src/emulator/", "src/fuse/supervisor.")
SCHEDULING = re.compile(
    r"std::(thread|jthread|this_thread|mutex|shared_mutex|recursive_mutex|condition_variable|promise|future|async|"
    r"stop_\w+|latch|barrier|counting_semaphore|binary_semaphore|random_device)\b|\b(getrandom|RAND_bytes)\(|\w+_clock::now\(\)|\bclock_gettime\(")

# Their clock is handed to them, so that a test can move it.
CLOCK_IS_PASSED_IN = ("src/runtime/", "src/local/", "src/cache/", "src/vfs/")

# The rooms of a layer, lowest first. "" is the layer's own folder.
ROOMS = {"local": ["", "environment", "staging", "journal", "names"]}

# What failed is told by its Fault here; there is no exception. What a system call answered is `errno`, and not meant.
DECIDES_ON_FAULTS = ("src/vfs/", "src/cli/")
DECIDING = re.compile(
    r"\berrnum\b\s*[=!]=|[=!]=\s*[\w.>()*-]*\berrnum\b|\berrnum_of\(|\bswitch\s*\([^;{]*\berrnum\b|"
    r"\bfind\([^;?]*\berrnum\b|\bcontext\b\s*[=!]=|\bcontext\.(find|contains|starts_with|ends_with|compare)\(|"
    r"\bcode\b\s*[=!]=\s*\"|\brefusal\.code\b")

# Where no file and no constructor may be large.
BOUNDED = ("src/base/", "src/runtime/", "src/local/", "src/cos/", "src/auth/")
MOST_LINES, COLUMNS, MOST_PARAMETERS = 500, 100, 6

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)


def without_comments(text):
    return COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def scheduling(path, text):
    if path.startswith(SCHEDULES):
        return []
    bare = without_comments(text)
    return [f"{path}:{line_of(bare, found.start())}: {found.group()} is for base and runtime"
            for found in SCHEDULING.finditer(bare)]


def clocks(path, text):
    if not path.startswith(CLOCK_IS_PASSED_IN):
        return []
    bare = without_comments(text)
    return [f"{path}:{line_of(bare, found.start())}: the clock is to be passed in"
            for found in re.finditer(r"\bsystem_clock\(\)", bare)]


def room(path):
    """(layer, room) of a source below src, or None."""
    parts = path.split("/")
    if parts[0] != "src" or len(parts) < 3:
        return None
    return parts[1], parts[2] if len(parts) > 3 else ""


def rooms(path, text):
    here = room(path)
    if here is None or here[0] not in ROOMS:
        return []
    order = ROOMS[here[0]]
    problems = []
    for included in INCLUDE.findall(text):
        there = room("src/" + included)
        if there and there[0] == here[0] and order.index(there[1]) > order.index(here[1]):
            problems.append(f'{path}: "{included}" points up: {here[1]} must not know {there[1]}')
    return problems


def sizes(path, text):
    if not path.startswith(BOUNDED):
        return []
    lines = sum(max(1, math.ceil(len(line) / COLUMNS)) for line in text.splitlines())
    return [f"{path}: {lines} lines of {COLUMNS} columns, {MOST_LINES} are allowed"] if lines > MOST_LINES else []


def parameters(text):
    """How many parameters stand between these parentheses."""
    depth, count = 0, 1 if text.strip() else 0
    for character in text:
        depth += (character in "(<{[") - (character in ")>}]")
        count += character == "," and depth == 0
    return count


def constructors(path, text):
    if not path.startswith(BOUNDED):
        return []
    bare = without_comments(text)
    problems = []
    for name in set(re.findall(r"\b(?:class|struct)\s+(?:PAIL_\w+\([^)]*\)\s*)?(\w+)[^;{]*\{", bare)):
        for found in re.finditer(rf"(?<![\w:~.>]){name}\(((?:[^()]|\([^()]*\))*)\)\s*(?::|;|\{{|noexcept)", bare):
            count = parameters(found.group(1))
            if count > MOST_PARAMETERS:
                where = line_of(bare, found.start())
                problems.append(f"{path}:{where}: {name}() takes {count} parameters, {MOST_PARAMETERS} are allowed")
    return problems


def cycles(texts):
    """Includes of headers that lead back to where they began."""
    edges = {}
    for path, text in texts.items():
        targets = [f"include/{name}" if name.startswith("pailfs/") else f"src/{name}" for name in INCLUDE.findall(text)]
        edges[path] = [target for target in targets if target in texts]
    problems, done = [], set()

    def visit(path, way):
        if path in way:
            problems.append("include cycle: " + " -> ".join(way[way.index(path):] + [path]))
            return
        if path in done:
            return
        for target in edges[path]:
            visit(target, way + [path])
        done.add(path)

    for path in sorted(edges):
        visit(path, [])
    return problems


def decisions(path, text):
    """An errno is for the kernel and a text for people: neither says what happened. That is the fault's."""
    if not path.startswith(DECIDES_ON_FAULTS):
        return []
    bare = without_comments(text)
    return [f"{path}:{line_of(bare, found.start())}: {' '.join(found.group().split())} is decided on an errno or a text"
            for found in DECIDING.finditer(bare)]


def sources():
    for top in ("src", "include"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in {".h", ".cc"}:
                yield path.relative_to(ROOT).as_posix(), path.read_text()


RULES = {
    "only base and runtime schedule": (
        scheduling,
        ("src/vfs/a.cc", "std::mutex lock;"),
        ("src/vfs/a.cc", "// std::mutex\nMutex lock;")),
    "the clock is passed in": (
        clocks,
        ("src/vfs/a.cc", "const auto now = system_clock().wall();"),
        ("src/vfs/a.cc", "// system_clock()\nconst auto now = clock_.wall();")),
    "rooms include only downwards": (
        rooms,
        ("src/local/staging/a.h", '#include "local/names/index.h"\n'),
        ("src/local/names/a.h", '#include "local/staging/staging.h"\n')),
    "no file is long": (
        sizes,
        ("src/local/a.cc", ("x" * 101 + "\n") * 251),
        ("src/local/a.cc", ("x" * 100 + "\n") * 500)),
    "the file system and its commands decide on faults": (
        decisions,
        ("src/vfs/a.cc", "if (why.errnum == EINTR) return;"),
        ("src/vfs/a.cc", "if (why.fault == Fault::stopped) return Error{why.errnum, why.context};")),
    "no constructor takes many parameters": (
        constructors,
        ("src/local/a.h", "class A {\n A(int a, B<int, int> b, int c, int d, int e, int f, int g);\n};"),
        ("src/local/a.h", "class A {\n A(int a, B<int, int> b, int c, int d, int e, int f);\n};")),
}


def main():
    texts = dict(sources())
    results = {}
    for name, (rule, bad, good) in RULES.items():
        works = bool(rule(*bad)) and not rule(*good)
        problems = [problem for path, text in texts.items() for problem in rule(path, text)]
        results[name] = problems if works else ["the rule does not find what it forbids"]
    sees_cycles = cycles({"src/a.h": '#include "b.h"', "src/b.h": '#include "a.h"'})
    results["headers include each other in no circle"] = cycles(texts) if sees_cycles else ["the rule finds no cycle"]
    for name, problems in results.items():
        print("\n".join(problems) if problems else f"{name}: yes")
    failed = sum(bool(problems) for problems in results.values())
    print(f"{len(results) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
