#!/usr/bin/env python3
"""Runs the tiers of tests and sums up their cases. Called by tests/run, which installs what is needed first."""
import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILDS = pathlib.Path(os.environ.get("PAILFS_TEST_BUILDS", ROOT / "build-tests"))
JOBS = str(min(os.cpu_count() or 1, 8))
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
CASE = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] ([^ ,]+(?:, where .*)?) \(\d+ ms\)$")


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


PASS, FAIL, SKIP = Count(passed=1), Count(failed=1), Count(skipped=1)


def skip(why):
    print(f"skipped: {why}", flush=True)
    return SKIP


def fail(why):
    print(f"FAILED: {why}", flush=True)
    return FAIL


def run(command, **options):
    return subprocess.run([str(word) for word in command], cwd=ROOT, **options)


# ---- builds ----

@dataclasses.dataclass
class Build:
    name: str
    options: list
    compiler: str = "g++"
    environment: dict = dataclasses.field(default_factory=dict)  # of the tests

    @property
    def folder(self):
        return (BUILDS / self.name).resolve()

    def set_up(self):
        """False when meson fails; its output has been shown."""
        if (self.folder / "build.ninja").exists():
            return True
        prefix = ["ccache"] if shutil.which("ccache") else []
        environment = os.environ | {"CXX": " ".join(prefix + [self.compiler])}
        done = run(["meson", "setup", self.folder, ROOT, "-Dwerror=true", *self.options], env=environment, stdout=subprocess.PIPE,
                   stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            print(done.stdout)
        return done.returncode == 0

    def compile(self, targets=()):
        return run(["ninja", "-C", self.folder, "-j", JOBS, "--quiet", *targets]).returncode == 0

    def introspect(self, what):
        done = run(["meson", "introspect", self.folder, what], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def targets_of(self, suites):
        """The files, relative to the build folder, that the tests of these suites run or need."""
        tests = [test for test in self.introspect("--tests")
                 if any(suite.split(":")[-1] in suites for suite in test["suite"])]
        files = {target["id"]: target["filename"] for target in self.introspect("--targets")}
        words = [word for test in tests for word in test["cmd"]]
        words += [name for test in tests for needed in test["depends"] for name in files.get(needed, [])]
        return sorted({os.path.relpath(word, self.folder) for word in words if word.startswith(str(self.folder))})


PLAIN = Build("plain", ["--buildtype=debugoptimized"])
ASAN = Build("asan", ["--buildtype=debug", "-Doptimization=1", "-Db_sanitize=address,undefined"], environment={
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"})
TSAN = Build("tsan", ["--buildtype=debug", "-Doptimization=1", "-Db_sanitize=thread"], environment={
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"})
CLANG = Build("clang", ["--buildtype=debug", "-Dtests=false"], compiler="clang++")


# ---- counting ----

def count_cases(test):
    """The cases of one entry of meson's test log."""
    out = test.get("stdout") or ""
    cases = [match.group(1) for match in map(CASE.match, out.splitlines()) if match]
    if cases:
        count = Count(cases.count("OK"), cases.count("FAILED"), cases.count("SKIPPED"))
        crashed = test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and count.failed == 0
        return count + (FAIL if crashed else Count())
    lines = out.strip().splitlines()
    summary = SUMMARY.match(lines[-1]) if lines else None
    if summary:
        return Count(*map(int, summary.groups()))
    if "[==========] 0 tests" in out:  # a filter that names none of its tests
        return Count()
    return {"OK": PASS, "EXPECTEDFAIL": PASS, "SKIP": SKIP}.get(test["result"], FAIL)


def run_suites(build, suites, filter_text):
    """Builds and runs the meson tests of these suites."""
    if not build.set_up():
        return fail(f"the {build.name} build cannot be set up")
    targets = build.targets_of(suites)
    if not targets:
        return skip("no tests")
    if not build.compile(targets):
        return fail(f"the {build.name} build")
    log = build.folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    environment = os.environ | build.environment | {"PAILFS_BINARY": str(PLAIN.folder / "src/cli/pailfs")}
    if filter_text:
        environment["GTEST_FILTER"] = filter_text if set(filter_text) & set("*?:") else f"*{filter_text}*"
    chosen = [word for suite in suites for word in ("--suite", suite)]
    slow = ["--timeout-multiplier", "20"]  # the machine may be busy: only what hangs shall be stopped
    run(["meson", "test", "-C", build.folder, "--no-rebuild", "--print-errorlogs", "--num-processes", "1", *slow,
         *chosen], env=environment)
    if not log.exists():
        return fail("meson did not run the tests")
    tests = [json.loads(line) for line in log.read_text().splitlines()]
    total = sum(map(count_cases, tests), Count())
    for test in tests:
        show_skipped(test)
    return total


def show_skipped(test):
    """Says why cases were skipped: a skipped test shall not look like a passed one."""
    lines = (test.get("stdout") or "").splitlines()
    reasons = {lines[i + 1].strip() for i in range(len(lines) - 1) if lines[i].endswith(": Skipped")}
    reasons |= {line for line in lines if line.startswith("SKIPPED: ")}
    for reason in sorted(reasons):
        print(f"skipped in {test['name']}: {reason}")


# ---- tiers ----

def format_tier(_):
    tool = shutil.which("clang-format-14")
    if not tool:
        return skip("clang-format-14 is not installed; other versions format differently")
    files = run(["git", "ls-files", "*.h", "*.cc"], capture_output=True, text=True).stdout.split()
    if not files:
        return skip("this is no git clone")
    return PASS if run([tool, "--dry-run", "-Werror", *files]).returncode == 0 else FAIL


def run_script(name):
    done = run([ROOT / "tests" / name], stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    return Count(*map(int, SUMMARY.match(done.stdout.splitlines()[-1]).groups()))


def layers_tier(_):
    return run_script("layers_test.py")


def options_tier(_):
    """The page about options, the packages that are explained and the tests that docs/semantics.md names are there."""
    if not PLAIN.set_up() or not PLAIN.compile(["src/cli/pailfs"]):
        return fail("the build")
    made = run([PLAIN.folder / "src/cli/pailfs", "generate", "options"], capture_output=True, text=True).stdout
    page = PASS if made == (ROOT / "docs/options.md").read_text() else fail("run: pailfs generate options > docs/options.md")
    script = (ROOT / "packaging/install-dependencies").read_text()
    packages = " ".join(re.findall(r"packages=\(([^)]*)\)", script)).split()
    explained = (ROOT / "docs/dependencies.md").read_text()
    missing = [package for package in packages if f"`{package}`" not in explained]
    dependencies = fail(f"docs/dependencies.md does not explain {', '.join(missing)}") if missing else PASS
    return page + dependencies + run_script("semantics_test.py")


def mount_tier(filter_text):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return skip("there is no /dev/fuse that this user may open, so nothing can be mounted")
    if not PLAIN.set_up() or not PLAIN.compile(["src/cli/pailfs"]):
        return fail("the build")
    return run_suites(PLAIN, ["mount"], filter_text)


def foreign_tier(filter_text):
    if not PLAIN.set_up() or not PLAIN.compile(["src/cli/pailfs"]):
        return fail("the build")
    return run_suites(PLAIN, ["foreign"], filter_text)


def clang_tier(_):
    """clang's thread-safety analysis: what a lock protects is touched only under it."""
    if not shutil.which(CLANG.compiler):
        return skip("clang++ is not installed")
    return PASS if CLANG.set_up() and CLANG.compile() else fail("the build by clang with -Wthread-safety")


TIERS = {
    "format": format_tier,
    "layers": layers_tier,
    "unit": lambda text: run_suites(PLAIN, ["unit"], text),
    "emulator": lambda text: run_suites(PLAIN, ["emulator"], text),
    "options": options_tier,
    "mount": mount_tier,
    "foreign": foreign_tier,
    "clang": clang_tier,
    "asan": lambda text: run_suites(ASAN, ["unit", "emulator"], text),
    "tsan": lambda text: run_suites(TSAN, ["unit", "emulator"], text),
}


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description="Runs the tests of pailfs.")
    parser.add_argument("tiers", nargs="*", metavar="TIER", help="one of " + ", ".join(TIERS))
    parser.add_argument("--filter", metavar="TEXT", help="only tests whose name holds this text")
    parser.add_argument("--list", action="store_true", help="name the tiers")
    arguments = parser.parse_args()
    unknown = [tier for tier in arguments.tiers if tier not in TIERS]
    if unknown:
        parser.error(f"unknown tier {unknown[0]}; there are {', '.join(TIERS)}")
    if arguments.list:
        print("\n".join(TIERS))
        return 0
    results = {}
    for tier in arguments.tiers or TIERS:
        print(f"\n=== {tier} ===", flush=True)
        begin = time.monotonic()
        results[tier] = TIERS[tier](arguments.filter)
        print(f"{tier}: {results[tier]} ({time.monotonic() - begin:.0f} s)", flush=True)
    print("\n=== all ===")
    for tier, count in results.items():
        print(f"{tier:10} {count}")
    total = sum(results.values(), Count())
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
