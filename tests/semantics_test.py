#!/usr/bin/env python3
"""Each item of docs/semantics.md names at least one test, and each test it names exists."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/semantics.md"
GTEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", re.M)
CASE = re.compile(r"^def (\w+)\(place\b[^)]*\):", re.M)
REFERENCES = re.compile(r"\((`\w+\.\w+`(?:, `\w+\.\w+`)*)\)$")


def known_tests():
    names = set()
    for path in (ROOT / "tests").rglob("*_test.cc"):
        names.update(f"{suite}.{test}" for suite, test in GTEST.findall(path.read_text()))
    for path in (ROOT / "tests/mount/programs").glob("*_test.py"):
        names.update(f"{path.stem.removesuffix('_test')}.{case}" for case in CASE.findall(path.read_text()))
    return names


def complaints(line, known):
    references = REFERENCES.search(line)
    if not references:
        return ["names no test"]
    named = re.findall(r"`([\w.]+)`", references.group(1))
    return [f"there is no test {name}" for name in named if name not in known]


def main():
    known = known_tests()
    passed = failed = 0
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if not line.startswith("- "):
            continue
        wrong = complaints(line, known)
        for complaint in wrong:
            print(f"{PAGE.relative_to(ROOT)}:{number}: {complaint}")
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
