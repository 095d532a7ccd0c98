#!/usr/bin/env python3
"""What tests/run counts and answers: no failure is lost, and a run of nothing did not pass."""
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import traceback

import builds
import rooms_test
import tally
import tiers
from tally import Tally

GTEST = """[==========] Running 3 tests from 1 test suite.
[       OK ] Cache.KeepsBytes (12 ms)
[  FAILED  ] Cache.Grows/3, where GetParam() = 7 (2500 ms)
[  SKIPPED ] Cache.NeedsRoot (0 ms)
[  FAILED  ] Cache.Grows/3, where GetParam() = 7
"""
SCRIPT = """ok      a_file_is_kept (1.5 s)
FAILED  a_file_is_shared
SKIPPED: a_third: no rsync
1 passed, 1 failed, 1 skipped
"""


def of(result, out):
    return tally.of_meson({"name": "pailfs:it", "result": result, "stdout": out}, filtered=False)


def cases_of_googletest_are_counted_and_failures_named():
    counted = of("FAIL", GTEST)
    assert str(counted) == "1 passed, 1 failed, 1 skipped", counted
    assert counted.failures == ("it: Cache.Grows/3",), counted.failures
    assert tally.slowest(counted, 1) == ["     2.5 s  it: Cache.Grows/3"]


def cases_of_scripts_are_counted_and_failures_named():
    counted = of("FAIL", SCRIPT)
    assert str(counted) == "1 passed, 1 failed, 1 skipped", counted
    assert counted.failures == ("it: a_file_is_shared",), counted.failures
    assert counted.times == ((1.5, "it: a_file_is_kept"),), counted.times
    assert tally.reasons_of_skipping(SCRIPT) == ["SKIPPED: a_third: no rsync"]


def a_script_that_shows_the_output_of_googletest_is_counted_by_its_last_line():
    counted = of("FAIL", GTEST + "50 passed, 1 failed, 2 skipped\n")
    assert str(counted) == "50 passed, 1 failed, 2 skipped", counted
    assert counted.failures == ("it: Cache.Grows/3",), counted.failures


def a_program_that_crashes_after_its_cases_passed_has_failed():
    assert of("FAIL", "[       OK ] Cache.KeepsBytes (12 ms)\n").failed == 1
    assert of("TIMEOUT", "").failed == 1


def a_program_without_cases_has_failed_unless_a_filter_was_set():
    out = "[==========] 0 tests from 0 test suites ran. (0 ms total)\n"
    assert of("OK", out).failed == 1
    assert tally.of_meson({"name": "it", "result": "OK", "stdout": out}, filtered=True) == Tally()


def a_run_of_nothing_fails_and_the_last_line_says_so():
    code, lines = reported({"mount": (Tally(skipped=1), 0.1)})
    assert code == 1 and lines[-1] == "0 passed, 1 failed, 1 skipped", lines
    code, lines = reported({"unit": (Tally(), 0.1)})
    assert code == 1 and lines[-1] == "0 passed, 1 failed, 0 skipped", lines


def a_table_of_tiers_stands_before_the_last_line():
    code, lines = reported({"unit": (Tally(passed=3), 2.4), "mount": (Tally(skipped=1), 0)})
    assert code == 0 and lines[-1] == "3 passed, 0 failed, 1 skipped", lines
    begin = lines.index("=== all ===")
    assert [line.split() for line in lines[begin + 1:-1]] == [
        ["tier", "seconds", "passed", "failed", "skipped"], ["unit", "2", "3", "0", "0"],
        ["mount", "0", "0", "0", "1"], ["build", "plain", "61"], ["all", "70"]], lines


def a_failure_is_named_after_the_table_and_in_the_exit_code():
    broken = Tally(passed=5, failed=1, failures=("vfs: Files.Keep",))
    code, lines = reported({"unit": (broken, 1)})
    assert code == 1
    assert lines[-2:] == ["FAILED: vfs: Files.Keep", "5 passed, 1 failed, 0 skipped"], lines


def reported(results):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        code = tiers.report(results, {"plain": 61}, 70)
    return code, shown.getvalue().splitlines()


class FakeBuild:
    """Says when it is being made, and waits until it may end."""

    def __init__(self, name, complaint=""):
        self.name, self.complaint, self.asked = name, complaint, []
        self.may_end = threading.Event()

    def set_up(self):
        return ""

    def targets_of(self, suites):
        return {f"{suite}_test" for suite in suites}

    def compile(self, targets, patient):
        self.may_end.wait(60)
        self.asked.append((sorted(targets), patient))
        return self.complaint


def a_build_that_is_ready_is_tested_while_the_next_is_made():
    first, second = FakeBuild("first"), FakeBuild("second", "no such header")
    first.may_end.set()
    builder = builds.Builder([builds.Wish(first, ("unit",)), builds.Wish(second, targets=("x",)),
                              builds.Wish(first, ("mount",), ("pailfs",))])
    assert builder.await_build(first).complaint == ""  # and the second is not done yet
    assert first.asked == [(["mount_test", "pailfs", "unit_test"], False)], first.asked
    second.may_end.set()
    assert builder.await_build(second).complaint == "no such header"
    assert second.asked == [(["x"], True)], second.asked


def the_command_line_is_checked():
    def outcome(*arguments):
        command = [sys.executable, builds.ROOT / "tests/tiers.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True)
    assert outcome("--list").stdout.split() == list(tiers.TIERS)
    assert outcome("nonsense").returncode == 2
    assert outcome("--quick", "unit").returncode == 2


def a_build_folder_of_other_options_is_made_anew():
    with tempfile.TemporaryDirectory() as folder:
        builds.BUILDS, before = pathlib.Path(folder), builds.BUILDS
        builds.run, run_before = fake_meson, builds.run
        try:
            build = builds.Build("plain", ["--one"])
            assert build.set_up() == "" and build.set_up() == "" and set_ups(build) == 1
            (build.folder / "old").touch()
            build.options = ["--two"]
            assert build.set_up() == "" and not (build.folder / "old").exists()
        finally:
            builds.BUILDS, builds.run = before, run_before


def fake_meson(command, **_):
    folder = pathlib.Path(command[2])
    folder.mkdir(exist_ok=True)
    (folder / "build.ninja").touch()
    with open(folder / "set-ups", "a") as file:
        file.write("once\n")
    return subprocess.CompletedProcess(command, 0, "")


def packages_that_are_optional_stop_nothing_and_others_do():
    for missing, code in (("s3fs", 0), ("rsync", 100)):
        with tempfile.TemporaryDirectory() as folder:
            stub(folder, "dpkg-query", f'[ "$3" = {missing} ] || echo installed')
            stub(folder, "apt-cache", "echo available")
            stub(folder, "apt-get", "exit 100")
            stub(folder, "sudo", 'exec "$@"')
            done = subprocess.run([builds.ROOT / "packaging/install-dependencies", "test"],
                                  env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"},
                                  capture_output=True, text=True)
            assert done.returncode == code, (missing, done)
            assert missing in done.stdout, done


def stub(folder, name, script):
    """A program of this name for PATH."""
    path = pathlib.Path(folder) / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def set_ups(build):
    return len((build.folder / "set-ups").read_text().splitlines())


def a_decision_on_an_errno_or_a_text_is_seen():
    for line in ["if (why.errnum == EINTR)", "x = done.error().errnum != ENOENT ? a : b;", "EIO == why.errnum",
                 "if (errnum_of(read(file)) > 0)", "switch (error.errnum) {", "std::ranges::find(kOthers, why.errnum)",
                 'why.context.find("AccessDenied")', 'refusal.code == "NoSuchKey"', 'error.context == "gone"']:
        assert rooms_test.decisions("src/vfs/a.cc", line), line
        assert rooms_test.decisions("src/cli/a.cc", line), line
        assert not rooms_test.decisions("src/cos/a.cc", line), line


def an_errno_that_is_passed_on_decides_nothing():
    for line in ["return Error{why.errnum, why.context, why.fault};", "if (errno == EINTR) continue;",
                 "return is_gone(why) ? ESTALE : why.errnum;", "// errnum == EINTR", "if (end.code == 0) return;",
                 'find(kFaults, why.fault) == end ? EIO : why.errnum', "if (why.fault == Fault::stopped) return;"]:
        assert not rooms_test.decisions("src/vfs/a.cc", line), line


CASES = [cases_of_googletest_are_counted_and_failures_named,
         cases_of_scripts_are_counted_and_failures_named,
         a_script_that_shows_the_output_of_googletest_is_counted_by_its_last_line,
         a_program_that_crashes_after_its_cases_passed_has_failed,
         a_program_without_cases_has_failed_unless_a_filter_was_set,
         a_run_of_nothing_fails_and_the_last_line_says_so,
         a_table_of_tiers_stands_before_the_last_line,
         a_failure_is_named_after_the_table_and_in_the_exit_code,
         a_build_that_is_ready_is_tested_while_the_next_is_made,
         the_command_line_is_checked, a_build_folder_of_other_options_is_made_anew,
         packages_that_are_optional_stop_nothing_and_others_do,
         a_decision_on_an_errno_or_a_text_is_seen, an_errno_that_is_passed_on_decides_nothing]


def main():
    failed = 0
    for case in CASES:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                case()
            print(f"ok      {case.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED  {case.__name__}\n{traceback.format_exc()}")
    print(f"{len(CASES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
