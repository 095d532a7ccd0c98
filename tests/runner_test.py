#!/usr/bin/env python3
"""What tests/run counts and answers: no failure is lost, and a run of nothing did not pass."""
import contextlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import builds
import rooms_test
import tally
import tiers
from simulation import mutations, soaking
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


SOAKED = """3600101.5 idle step 5599 a59d

WRONG, seed 1005: (34) process 2: symlink "f0"
  was answered: EEXIST
seed 1005 digest 14de37c8a9e40356
5 histories, 1214 operations, 1687 calls, 728 requests, 11 deaths, 12 virtual hours in 1 s: 1632 operations/s
"""


def a_soak_that_ends_with_a_wrong_history_names_its_seed_and_claim():
    wrong = soaking.wrong_of(soaking.Outcome(SOAKED, 1), 1000)
    assert wrong.command == "tests/simulate --seed 1005 --trace", wrong
    assert wrong.claim == 'WRONG, seed 1005: (34) process 2: symlink "f0" was answered: EEXIST', wrong.claim
    again = SOAKED.replace("1005", "77").replace('(34) process 2: symlink "f0"', '(8) process 1: symlink "d1"')
    other = soaking.wrong_of(soaking.Outcome(again, 1), 1)
    assert wrong.claim != other.claim and wrong.kind == other.kind, (wrong.kind, other.kind)
    assert soaking.wrong_of(soaking.Outcome(SOAKED, 0), 1000) is None
    waits = "WRONG, seed 5: call 4 waits\nthread 1 main\n/a/b\nseed 5 digest a1\n"
    stuck = soaking.wrong_of(soaking.Outcome(waits, 1), 5)
    assert stuck.claim == "WRONG, seed 5: call 4 waits", stuck.claim


def a_soak_in_which_the_program_crashes_names_a_command_that_shows_it():
    crash = soaking.wrong_of(soaking.Outcome("Segmentation fault\n", -11, under_way=1007), 1000)
    assert crash.claim == "the program ended with -11 in the history of seed 1007 Segmentation fault", crash.claim
    assert crash.command == "tests/simulate --seed 1007 --trace", crash.command
    between = soaking.wrong_of(soaking.Outcome("", -9), 1000)
    assert between.command == "tests/simulate --soak 1 --from 1000", between.command


def a_machine_that_cannot_run_a_history_has_found_none_that_is_wrong():
    with tempfile.TemporaryDirectory() as folder:
        stub(folder, "simulate", "echo /dev/shm has 3 MiB free; exit 2")
        program = pathlib.Path(folder) / "simulate"
        for run in (lambda: soaking.run_history(program, 7), lambda: soaking.Soak(program, 7).run(10)):
            try:
                run()
            except soaking.CannotRun as why:
                assert str(why) == "/dev/shm has 3 MiB free", why
            else:
                raise AssertionError("nothing was said")


def a_history_that_does_not_end_says_so():
    soaking.PATIENCE, before = 2, soaking.PATIENCE
    try:
        with tempfile.TemporaryDirectory() as folder:
            stub(folder, "simulate", "mkdir /dev/shm/pailfs-simulate-$$-7-x; echo 3600.5 idle; exec sleep 100")
            history = soaking.run_history(pathlib.Path(folder) / "simulate", 7)
        assert not history.right
        said = "3600.5 idle\nno end within 2 s in the history of seed 7\n"
        assert history.report == history.trace == said, history
    finally:
        soaking.PATIENCE = before


def the_figures_of_several_processes_are_summed_up():
    figures = soaking.Figures(seconds=2)
    figures.add(SOAKED)
    figures.add(SOAKED)
    figures.add("killed")
    assert str(figures).startswith("10 histories, 2428 operations, 3374 calls, 1456 requests, 22 deaths"), figures
    assert str(figures).endswith("1214 operations/s, 11.0 deaths/s, 12.00 virtual hours/s"), figures


def what_never_came_in_any_process_is_missing():
    figures = soaking.Figures()
    figures.add("happened 0 times: store: late\nhappened 2 times: check: gone\nhappened 0 times: store: stalled\n")
    assert figures.missing == ["store: late"], figures.missing
    figures.add("happened 1 times: store: late\nhappened 3 times: check: gone\n")
    assert not figures.missing, figures.missing
    assert figures.table.splitlines()[0].split() == ["5", "check:", "gone"], figures.table


class FakeSimulate:
    """A program that is wrong at these seeds, as far as a soak from the seed before finds them."""

    def __init__(self, folder, wrong_seeds):
        numbers = " ".join(map(str, wrong_seeds))
        stub(folder, "simulate", f"""
seed=${{@: -1}}
case " {numbers} " in *" $seed "*) echo "WRONG, seed $seed: lost"; echo "seed $seed digest abc"; exit 1;; esac
echo "seed $seed digest abc"; sleep 0.1""")
        self.path = pathlib.Path(folder) / "simulate"


def a_soak_goes_on_with_other_seeds_after_a_wrong_history():
    with tempfile.TemporaryDirectory() as folder:
        soaked = soaking.Soak(FakeSimulate(folder, [7]).path, 7).run(1)
        assert [wrong.seed for wrong in soaked.wrong] == [7], soaked.wrong
        assert soaking.run_history(FakeSimulate(folder, [7]).path, 8).right
        assert soaking.run_history(FakeSimulate(folder, [7]).path, 8).digest == "abc"


def a_soak_prints_its_figures_each_minute():
    soaking.MINUTE, before = 0.3, soaking.MINUTE
    try:
        shown = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(shown):
            soaking.Soak(FakeSimulate(folder, []).path, 7).run(1)
        lines = shown.getvalue().splitlines()
        assert len(lines) >= 2 and all(" histories, " in line for line in lines), lines
    finally:
        soaking.MINUTE = before


def a_program_that_is_built_anew_meanwhile_stays_the_old_one():
    with tempfile.TemporaryDirectory() as folder:
        program = FakeSimulate(folder, []).path
        with soaking.own_copy(program) as copy:
            FakeSimulate(folder, [7])  # written into the same file
            assert soaking.run_history(copy, 7).right
            program.unlink()
            assert soaking.run_history(copy, 7).right
        assert not copy.exists()


class SimulateRun:
    """tests/simulate with these scripts for the program and for what builds it; `$FOLDER` is theirs."""

    def __init__(self, folder, *arguments, program="exit 0", building="true"):
        stub(folder, "meson", 'mkdir -p "$2" && touch "$2/build.ninja"')
        stub(folder, "program", program)
        stub(folder, "ninja", f'{building}; mkdir -p "$2/tests/simulation"; '
                              'cp "$FOLDER/program" "$2/tests/simulation/simulate"')
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "FOLDER": folder, "TMPDIR": folder,
                       "PAILFS_TEST_BUILDS": f"{folder}/builds"}
        self.folder = pathlib.Path(folder)
        self.process = subprocess.Popen([sys.executable, builds.ROOT / "tests/simulate", *map(str, arguments)],
                                        env=os.environ | environment, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, preexec_fn=heed_signals)

    def await_file(self, name):
        while not (self.folder / name).exists():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def end(self):
        """The exit code, and what was said."""
        said, _ = self.process.communicate(timeout=60)
        return self.process.returncode, said


def what_simulate_cannot_do_is_refused():
    refused = [["--seed", -1], ["--seed", 2**64], ["--seed", "x"], ["--soak", 0], ["--soak", "nan"], ["--ci", -3],
               ["--soak", "inf"], ["--mutations", "--seconds", 0], ["--soak", 1, "--from", -1],
               ["--soak", 1, "--trace"], ["--ci", 9, "--from", 1], ["--seed", 1, "--from", 1],
               ["--soak", 1, "--seconds", 9]]
    for arguments in refused:
        with tempfile.TemporaryDirectory() as folder:
            code, said = SimulateRun(folder, *arguments).end()
            assert code == 2 and "simulate: error: " in said, (arguments, code, said)
    with tempfile.TemporaryDirectory() as folder:
        code, said = SimulateRun(folder, "--seed", 2**64 - 1, "--trace", program='echo "seed $2 digest a1"').end()
        assert (code, said) == (0, f"building ...\nseed {2**64 - 1} digest a1\n"), (code, said)


def heed_signals():
    for number in soaking.ENDS:
        signal.signal(number, signal.SIG_DFL)


def a_soak_ends_by_each_signal_and_leaves_nothing():
    for number in soaking.ENDS:
        with tempfile.TemporaryDirectory() as folder:
            soak = SimulateRun(folder, "--soak", 1, program="echo $$ > $FOLDER/$$; mv $FOLDER/$$ $FOLDER/pid; exec sleep 100")
            soak.await_file("pid")
            soak.process.send_signal(number)
            code, said = soak.end()
            assert code == 130 and "Traceback" not in said, (number, code, said)
            assert not list(pathlib.Path(folder).glob("pailfs-simulate-*")), number
            assert not is_running((pathlib.Path(folder) / "pid").read_text().strip()), number


def is_running(pid):
    return pathlib.Path(f"/proc/{pid}").exists()


def a_build_that_is_interrupted_gives_no_traceback():
    with tempfile.TemporaryDirectory() as folder:
        soak = SimulateRun(folder, "--soak", 1, building="touch $FOLDER/builds/begun; exec sleep 100")
        soak.await_file("builds/begun")
        soak.process.send_signal(signal.SIGINT)
        assert soak.end() == (130, "building ...\n")


def a_history_that_is_stopped_leaves_no_files():
    with tempfile.TemporaryDirectory() as folder:
        stub(folder, "simulate", """
place=$(mktemp -d /dev/shm/pailfs-simulate-$$-7-XXXXXX)
echo "$place" > "$1"
exec sleep 100""")
        told = pathlib.Path(folder) / "place"
        process = soaking.Process(soaking.CPUS[0], pathlib.Path(folder) / "simulate", told)
        while not told.exists() or not told.read_text().endswith("\n"):
            assert not process.has_ended()
            time.sleep(0.01)
        place = pathlib.Path(told.read_text().strip())
        assert place.is_dir()
        process.stop()
        assert process.has_ended() and not place.exists()
        assert process.outcome().under_way == 7


def every_mutation_still_applies():
    every = mutations.MUTATIONS + mutations.RARE
    assert len({mutation.name for mutation in every}) == len(every)
    assert len(mutations.MUTATIONS) >= 26
    for mutation in every:
        with tempfile.TemporaryDirectory() as tree:
            copy = pathlib.Path(tree) / mutation.path
            copy.parent.mkdir(parents=True)
            copy.write_text((builds.ROOT / mutation.path).read_text())
            before = mutation.apply(tree)
            assert copy.read_text() != before, mutation.name


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
         a_decision_on_an_errno_or_a_text_is_seen, an_errno_that_is_passed_on_decides_nothing,
         a_soak_that_ends_with_a_wrong_history_names_its_seed_and_claim,
         a_soak_in_which_the_program_crashes_names_a_command_that_shows_it, a_history_that_does_not_end_says_so,
         a_machine_that_cannot_run_a_history_has_found_none_that_is_wrong,
         the_figures_of_several_processes_are_summed_up, what_never_came_in_any_process_is_missing,
         a_soak_goes_on_with_other_seeds_after_a_wrong_history, a_soak_prints_its_figures_each_minute,
         a_program_that_is_built_anew_meanwhile_stays_the_old_one, what_simulate_cannot_do_is_refused,
         a_soak_ends_by_each_signal_and_leaves_nothing, a_build_that_is_interrupted_gives_no_traceback,
         a_history_that_is_stopped_leaves_no_files,
         every_mutation_still_applies]


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
