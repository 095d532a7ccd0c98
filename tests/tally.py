"""What tests said, counted: cases that passed, failed and were skipped, and how long each took."""
import dataclasses
import re

SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
GTEST_CASE = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] ([^ ,]+)(?:, where .*)? \((\d+) ms\)$")
SCRIPT_CASE = re.compile(r"^ok +(.+) \((\d+\.\d+) s\)$")
SCRIPT_FAILED = re.compile(r"^FAILED:? +(.+)$")


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: tuple = ()  # names of cases
    times: tuple = ()  # (seconds, name of a case)

    def __add__(self, other):
        return Tally(self.passed + other.passed, self.failed + other.failed,
                     self.skipped + other.skipped, self.failures + other.failures,
                     self.times + other.times)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


PASS = Tally(passed=1)


def skip(why):
    print(f"skipped: {why}", flush=True)
    return Tally(skipped=1)


def fail(why):
    print(f"FAILED: {why}", flush=True)
    return Tally(failed=1, failures=(why,))


def of_summary(text, name):
    """The tally of a program whose last line counts its cases; None when that line does not."""
    lines = text.strip().splitlines()
    summary = SUMMARY.match(lines[-1]) if lines else None
    if not summary:
        return None
    tally = Tally(*map(int, summary.groups()))
    failures = [match.group(1) for match in map(SCRIPT_FAILED.match, lines) if match]
    failures += [case for outcome, case, _ in gtest_cases(text) if outcome == "FAILED"]
    tally.failures = tuple(f"{name}: {failure}" for failure in failures)
    if tally.failed and not failures:
        tally.failures = (name,)
    cases = [match.groups() for match in map(SCRIPT_CASE.match, lines) if match]
    tally.times = tuple((float(seconds), f"{name}: {case}") for case, seconds in cases)
    return tally


def gtest_cases(text):
    """(outcome, name, milliseconds) of each."""
    return [match.groups() for match in map(GTEST_CASE.match, text.splitlines()) if match]


def of_gtest(text, name):
    """The tally of a GoogleTest program; None when it ran no case."""
    cases = gtest_cases(text)
    if not cases:
        return None
    outcomes = [outcome for outcome, _, _ in cases]
    return Tally(outcomes.count("OK"), outcomes.count("FAILED"), outcomes.count("SKIPPED"),
                 tuple(f"{name}: {case}" for outcome, case, _ in cases if outcome == "FAILED"),
                 tuple((int(ms) / 1000, f"{name}: {case}") for _, case, ms in cases))


def of_meson(test, filtered):
    """The tally of one entry of meson's log. No case is a failure, unless a filter was set."""
    name = test["name"].removeprefix("pailfs:")
    ended_well = test["result"] in ("OK", "SKIP", "EXPECTEDFAIL")
    out = test.get("stdout") or ""
    tally = of_summary(out, name) or of_gtest(out, name)
    if tally:
        if not ended_well and tally.failed == 0:
            tally += fail(f"{name}: {test['result']} without a failed case")
        return tally
    if "[==========] 0 tests" in out:
        return Tally() if filtered else fail(f"{name}: no test in it")
    if not ended_well:
        return fail(f"{name}: {test['result']}")
    outcome = Tally(skipped=1) if test["result"] == "SKIP" else Tally(passed=1)
    return outcome + Tally(times=((test.get("duration") or 0, name),))


def reasons_of_skipping(out):
    """Why cases were skipped: a skipped test shall not look like a passed one."""
    lines = out.splitlines()
    reasons = {after.strip() for line, after in zip(lines, lines[1:]) if line.endswith(": Skipped")}
    return sorted(reasons | {line for line in lines if line.startswith(("SKIPPED: ", "skipped: "))})


def table(tiers, build_seconds):
    """Lines of tier, seconds and cases. `tiers`: name -> (Tally, seconds)."""
    lines = [f"{'tier':14}{'seconds':>8}{'passed':>8}{'failed':>8}{'skipped':>8}"]
    for name, (tally, seconds) in tiers.items():
        lines.append(f"{name:14}{seconds:8.0f}{tally.passed:8}{tally.failed:8}{tally.skipped:8}")
    lines += [f"{'build ' + name:14}{seconds:8.0f}" for name, seconds in build_seconds.items()]
    return lines


def slowest(tally, count=10):
    times = sorted(tally.times, reverse=True)[:count]
    return [f"{seconds:8.1f} s  {name}" for seconds, name in times]
