"""The builds that the tiers run, made one after the other beside the tests that can run already."""
import collections.abc
import concurrent.futures
import dataclasses
import functools
import json
import os
import pathlib
import shutil
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILDS = pathlib.Path(os.environ.get("PAILFS_TEST_BUILDS", ROOT / "build-tests"))
JOBS = min(os.cpu_count() or 1, 8)


def run(command, **options):
    return subprocess.run([str(word) for word in command], cwd=ROOT, **options)


@dataclasses.dataclass
class Made:
    """What became of a build: what it said when it failed, and how long it took."""
    complaint: str
    seconds: float = 0


@dataclasses.dataclass
class Build:
    name: str
    options: list
    compiler: collections.abc.Callable = lambda: "g++"
    environment: dict = dataclasses.field(default_factory=dict)  # of the tests
    source: pathlib.Path = ROOT

    @property
    def folder(self):
        return (BUILDS / self.name).resolve()

    def set_up(self):
        """What meson says when it fails, else nothing."""
        prefix = ["ccache"] if shutil.which("ccache") else []
        compiler = " ".join([*prefix, self.compiler()])
        wanted = json.dumps([compiler, *self.options])
        stamp = self.folder / "set-up.json"
        if (self.folder / "build.ninja").exists():
            if stamp.exists() and stamp.read_text() == wanted:
                return ""
            shutil.rmtree(self.folder)  # other options or another compiler
        done = run(["meson", "setup", self.folder, self.source, "-Dwerror=true", *self.options],
                   env=os.environ | {"CXX": compiler}, stdout=subprocess.PIPE,
                   stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            return done.stdout
        stamp.write_text(wanted)
        return ""

    def introspect(self, what):
        done = run(["meson", "introspect", self.folder, what], capture_output=True, text=True,
                   check=True)
        return json.loads(done.stdout)

    def tests_of(self, suites):
        return [test for test in self.introspect("--tests")
                if any(suite.split(":")[-1] in suites for suite in test["suite"])]

    def targets_of(self, suites):
        """The files, relative to the build folder, that the tests of these suites run or need."""
        tests = self.tests_of(suites)
        files = {target["id"]: target["filename"] for target in self.introspect("--targets")}
        words = [word for test in tests for word in test["cmd"]]
        words += [name for test in tests for needed in test["depends"]
                  for name in files.get(needed, [])]
        return {os.path.relpath(word, self.folder) for word in words
                if word.startswith(str(self.folder))}

    def compile(self, targets, patient):
        """What ninja says when it fails, else nothing. Patient: tests that run go first."""
        command = ["ninja", "-C", self.folder, "-j", JOBS, "--quiet", *sorted(targets)]
        # The same sources compile to the same in every checkout.
        environment = os.environ | {"CCACHE_NOHASHDIR": "1"}
        done = run(["nice", "-n", "10", *command] if patient else command, env=environment,
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout if done.returncode != 0 else ""


@functools.cache
def clang_or_gcc():
    """clang++ where it is installed with its sanitizers, else g++."""
    if not shutil.which("clang++"):
        return "g++"
    linked = run(["clang++", "-fsanitize=address,undefined", "-x", "c++", "-", "-o", "/dev/null"],
                 input="int main() {}", text=True, capture_output=True)
    return "clang++" if linked.returncode == 0 else "g++"


# Level 1 of debugging symbols has functions and lines, which is what a stack trace shows.
PLAIN = Build("plain", ["--buildtype=plain", "-Doptimization=2", "-Dcpp_args=-g1"])
# By clang: its thread-safety analysis comes with the same build, and g++ takes more than twice as
# long for these checks. g++ makes it where clang is missing. addr2line comes with every compiler.
ASAN = Build("asan", ["--buildtype=plain", "-Doptimization=1", "-Dcpp_args=-g1",
                      "-Db_sanitize=address,undefined"],
             compiler=clang_or_gcc,
             environment={
                 "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:"
                                 "allow_addr2line=1:handle_sigbus=0",
                 "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:allow_addr2line=1"})
TSAN = Build("tsan", ["--buildtype=plain", "-Doptimization=1", "-Dcpp_args=-g1",
                      "-Db_sanitize=thread"],
             environment={"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:handle_sigbus=0"})

# What is compiled for tests/simulation alone: a scheduler of its own stands in for the machine's.
SIMULATION = Build("simulation", ["--buildtype=plain", "-Doptimization=1", "-Dcpp_args=-g1", "-Dsimulation=true"])


@dataclasses.dataclass
class Wish:
    """What a tier needs of a build: the programs of tests of some suites, and more targets."""
    build: Build
    suites: tuple = ()
    targets: tuple = ()


class Builder:
    """Makes what was wished for, each build once, in the order of the wishes."""

    def __init__(self, wishes):
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._made = {}
        for build in {wish.build.name: wish.build for wish in wishes}.values():
            of_build = [wish for wish in wishes if wish.build is build]
            patient = bool(self._made)  # the tests wait for the first one
            self._made[build.name] = self._pool.submit(make, build, of_build, patient)

    def await_build(self, build):
        return self._made[build.name].result()

    def stop(self):
        """Begins no further build."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def seconds(self):
        """Of each build that was made, by name."""
        return {name: made.result().seconds for name, made in self._made.items()}


def make(build, wishes, patient):
    begin = time.monotonic()
    complaint = build.set_up()
    if not complaint:
        targets = {target for wish in wishes for target in wish.targets}
        targets |= build.targets_of({suite for wish in wishes for suite in wish.suites})
        complaint = build.compile(targets, patient) if targets else ""
    return Made(complaint, time.monotonic() - begin)
