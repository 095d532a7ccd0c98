#!/usr/bin/env python3
"""Runs the tiers of tests and sums up their cases. tests/run installs what is needed first."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time

import tally
from builds import ASAN, JOBS, PLAIN, ROOT, SIMULATION, TSAN, Builder, Wish, run
from tally import PASS, Tally, fail, skip

PAILFS = "src/cli/pailfs"
SIMULATE = "tests/simulation/simulate"
SIMULATION_SECONDS = "120"


class Tier:
    """One tier: the builds it wishes for, and `run(builder, filter)`, which gives its Tally."""

    def __init__(self, run_it, *wishes):
        self.run, self.wishes = run_it, wishes


# ---- tests that meson knows ----

def run_suites(build, suites, jobs):
    """A tier of the meson tests of these suites, `jobs` of them at a time."""
    def run_them(builder, filter_text):
        complaint = builder.await_build(build).complaint
        if complaint:
            return fail_to_build(build, complaint)
        return run_meson(build, suites, jobs, filter_text)
    return run_them


def fail_to_build(build, complaint):
    print(complaint)
    return fail(f"the {build.name} build")


def run_meson(build, suites, jobs, filter_text):
    expected = build.tests_of(suites)
    if not expected:
        return fail("no tests")
    log = build.folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    environment = os.environ | build.environment | {"PAILFS_BINARY": str(PLAIN.folder / PAILFS)}
    if filter_text:
        is_pattern = set(filter_text) & set("*?:")
        environment["GTEST_FILTER"] = filter_text if is_pattern else f"*{filter_text}*"
    chosen = [word for suite in suites for word in ("--suite", suite)]
    slow = ["--timeout-multiplier", "20"]  # on a busy machine only what hangs shall be stopped
    run(["meson", "test", "-C", build.folder, "--no-rebuild", "--print-errorlogs",
         "--num-processes", jobs, *slow, *chosen], env=environment)
    tests = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for test in tests:
        for reason in tally.reasons_of_skipping(test.get("stdout") or ""):
            print(f"skipped in {test['name']}: {reason}")
    total = sum((tally.of_meson(test, bool(filter_text)) for test in tests), Tally())
    if len(tests) < len(expected):
        total += fail(f"meson ran {len(tests)} of {len(expected)} tests")
    return total


# ---- tests of other kinds ----

def format_tier(*_):
    tool = shutil.which("clang-format-14")
    if not tool:
        return skip("clang-format-14 is not installed; other versions format differently")
    listed = run(["git", "ls-files", "*.h", "*.cc"], capture_output=True, text=True)
    files = listed.stdout.split()
    if not files:
        return skip("this is no git clone")
    done = run([tool, "--dry-run", "-Werror", *files])
    return PASS if done.returncode == 0 else fail("the format: run clang-format-14 -i")


def run_script(name, *arguments):
    done = run([ROOT / "tests" / name, *arguments], stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    return tally.of_summary(done.stdout, name) or fail(f"{name} ended with {done.returncode}")


def layers_tier(*_):
    return run_script("layers_test.py") + run_script("rooms_test.py") + run_script("runner_test.py")


def options_tier(builder, _):
    """What docs/ says of options and packages is so; the tests that it names are there."""
    complaint = builder.await_build(PLAIN).complaint
    if complaint:
        return fail_to_build(PLAIN, complaint)
    made = run([PLAIN.folder / PAILFS, "generate", "options"], capture_output=True, text=True)
    is_current = made.stdout == (ROOT / "docs/options.md").read_text()
    page = PASS if is_current else fail("run: pailfs generate options > docs/options.md")
    script = (ROOT / "packaging/install-dependencies").read_text()
    packages = " ".join(re.findall(r"packages=\(([^)]*)\)", script)).split()
    explained = (ROOT / "docs/dependencies.md").read_text()
    missing = [package for package in packages if f"`{package}`" not in explained]
    unexplained = f"docs/dependencies.md does not explain {', '.join(missing)}"
    dependencies = fail(unexplained) if missing else PASS
    return page + dependencies + run_script("semantics_test.py")


def simulation_tier(builder, filter_text):
    complaint = builder.await_build(SIMULATION).complaint
    if complaint:
        return fail_to_build(SIMULATION, complaint)
    return run_meson(SIMULATION, ["simulation"], JOBS, filter_text) + run_script("simulate", "--ci", SIMULATION_SECONDS)


def mount_tier(builder, filter_text):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return skip("there is no /dev/fuse that this user may open, so nothing can be mounted")
    return run_suites(PLAIN, ["mount"], 2)(builder, filter_text)


def clang_tier(builder, _):
    """clang's thread-safety analysis: what a lock protects is touched only under it."""
    if ASAN.compiler() != "clang++":
        return skip("clang++ with its sanitizers is not installed")
    complaint = builder.await_build(ASAN).complaint
    return fail_to_build(ASAN, complaint) if complaint else PASS


IN_PROCESS = ("unit", "emulator")
BESIDE = 2 * JOBS  # programs at a time of the tiers whose tests wait more than they compute
TIERS = {
    "format": Tier(format_tier),
    "layers": Tier(layers_tier),
    "unit": Tier(run_suites(PLAIN, ["unit", "harness"], JOBS), Wish(PLAIN, ("unit", "harness"))),
    "emulator": Tier(run_suites(PLAIN, ["emulator"], BESIDE), Wish(PLAIN, ("emulator",))),
    "options": Tier(options_tier, Wish(PLAIN, targets=(PAILFS,))),
    "mount": Tier(mount_tier, Wish(PLAIN, ("mount",), (PAILFS,))),
    "foreign": Tier(run_suites(PLAIN, ["foreign"], 1), Wish(PLAIN, ("foreign",), (PAILFS,))),
    "simulation": Tier(simulation_tier, Wish(SIMULATION, ("simulation",), (SIMULATE,))),
    "clang": Tier(clang_tier, Wish(ASAN, targets=(PAILFS,))),
    "asan": Tier(run_suites(ASAN, IN_PROCESS, BESIDE), Wish(ASAN, IN_PROCESS)),
    "tsan": Tier(run_suites(TSAN, IN_PROCESS, BESIDE), Wish(TSAN, IN_PROCESS)),
}
QUICK = ["format", "layers", "unit", "emulator"]


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/run", description="Runs the tests of pailfs.")
    parser.add_argument("tiers", nargs="*", metavar="TIER", help="one of " + ", ".join(TIERS))
    parser.add_argument("--quick", action="store_true", help="the same as: " + " ".join(QUICK))
    parser.add_argument("--filter", metavar="TEXT", help="only tests whose name holds this text")
    parser.add_argument("--list", action="store_true", help="name the tiers")
    arguments = parser.parse_args()
    unknown = [tier for tier in arguments.tiers if tier not in TIERS]
    if unknown:
        parser.error(f"unknown tier {unknown[0]}; there are {', '.join(TIERS)}")
    if arguments.quick and arguments.tiers:
        parser.error("--quick names the tiers itself")
    return arguments


def run_tiers(names, filter_text):
    """name -> (Tally, seconds), and the seconds of each build."""
    builder = Builder([wish for name in names for wish in TIERS[name].wishes])
    try:
        results = {name: run_tier(name, builder, filter_text) for name in names}
        return results, builder.seconds()
    finally:
        builder.stop()


def run_tier(name, builder, filter_text):
    print(f"\n=== {name} ===", flush=True)
    begin = time.monotonic()
    counted = TIERS[name].run(builder, filter_text)
    if not counted.passed + counted.failed + counted.skipped and not filter_text:
        counted = fail(f"the tier {name} ran nothing")
    seconds = time.monotonic() - begin
    print(f"{name}: {counted} ({seconds:.0f} s)", flush=True)
    return counted, seconds


def report(results, build_seconds, seconds):
    """Prints what is worth knowing of the whole run, the sum in the last line; the exit code."""
    total = sum((counted for counted, _ in results.values()), Tally())
    if total.times:
        print("\n=== the slowest ===", *tally.slowest(total), sep="\n")
    if not total.passed + total.failed:
        total += fail("nothing ran")
    print("\n=== all ===", *tally.table(results, build_seconds), sep="\n")
    print(f"{'all':14}{seconds:8.0f}")
    for name in total.failures:
        print(f"FAILED: {name}")
    print(total, flush=True)
    return 1 if total.failed else 0


def main():
    arguments = parse_arguments()
    if arguments.list:
        print("\n".join(TIERS))
        return 0
    names = QUICK if arguments.quick else arguments.tiers or list(TIERS)
    begin = time.monotonic()
    results, build_seconds = run_tiers(names, arguments.filter)
    return report(results, build_seconds, time.monotonic() - begin)


if __name__ == "__main__":
    sys.exit(main())
