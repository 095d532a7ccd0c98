"""Runs the program `simulate`: single histories, and many on all cores."""
import collections
import contextlib
import dataclasses
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

SEEDS = 2**64
APART = 1_000_000     # seeds of one process, more than it can run
SLICE = 30            # seconds that a process runs at most, so that one that hangs is noticed
PATIENCE = 150        # seconds more for its last history
MINUTE = 60           # between two lines of figures
CPUS = sorted(os.sched_getaffinity(0))
WRONG = re.compile(r"^WRONG, seed (\d+): ", re.M)
DIGEST = re.compile(r"^seed \d+ digest (\w+)$", re.M)
NAMED = re.compile(r'"[^"]*"(\.\.\.)?|#\d+( /\S*)?|\([^()]*\)|\b[0-9A-F]{16}\b|to \S+$|flags \S+')
DIRECTORIES = pathlib.Path("/dev/shm")  # of histories: pailfs-simulate-PROCESS-SEED-...
FIGURES = re.compile(r"^(\d+) histories, (\d+) operations, (\d+) calls, (\d+) requests, (\d+) deaths, "
                     r"(\d+) virtual hours in \d+ s: .*$", re.M)
HAPPENED = re.compile(r"^happened (\d+) times: (.+)$", re.M)
# What two minutes on a busy machine may miss. All else that the program has a name for must come in so many histories.
SELDOM = re.compile(r"disk: |check: (excused by a .* disk|known again|stored after an abandoned request)$|"
                    r"death: while it ended$|"
                    r"store: (conflict|error_inside|precondition|proxy_missing|some_refused|stalled)$")
ENOUGH = 100


EXIT_CANNOT_RUN = 2
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)  # this program


class CannotRun(Exception):
    """This machine runs no history; what the program says of that."""


# ---- what the program says ----

@dataclasses.dataclass
class Outcome:
    """What a process said, and how it ended."""
    output: str
    code: int
    under_way: int | None = None  # the seed of a history that it left
    was_stopped: bool = False

    @property
    def ending(self):
        """Where the program did not say itself what is wrong."""
        where = "" if self.under_way is None else f" in the history of seed {self.under_way}"
        if self.was_stopped:
            return f"no end within {PATIENCE} s{where}"
        return f"the program ended with {self.code}{where}"

    @property
    def last_lines(self):
        return self.output.splitlines()[-20:]


class History(Outcome):
    """Of a process that ran one."""

    @property
    def right(self):
        return self.code == 0

    @property
    def digest(self):
        found = DIGEST.search(self.output)
        return found.group(1) if found else ""

    @property
    def report(self):
        """What is wrong, and the digest."""
        wrong = WRONG.search(self.output)
        digest = DIGEST.search(self.output)
        if not digest:
            return lines_of([*self.last_lines, self.ending])
        return self.output[(wrong or digest).start():digest.end()] + "\n"

    @property
    def trace(self):
        return self.output if self.digest else lines_of([*self.output.splitlines(), self.ending])


@dataclasses.dataclass
class Wrong:
    seed: int | None  # none: the program did not end as it should, between two histories
    first: int        # the seed that the program began with
    report: str

    @property
    def command(self):
        """Shows it again."""
        if self.seed is None:
            return f"tests/simulate --soak 1 --from {self.first}"
        return f"tests/simulate --seed {self.seed} --trace"

    @property
    def _lines(self):
        """The first ones, without stacks."""
        lines = [line.strip() for line in self.report.splitlines()[:3]]
        return list(itertools.takewhile(lambda line: not line.startswith(("seed ", "thread ")), lines))

    @property
    def claim(self):
        """In one line."""
        text = " ".join(self._lines)[:300]
        return "".join(letter if letter.isprintable() else "?" for letter in text)

    @property
    def kind(self):
        """The claim without what differs from history to history."""
        text = " ".join(NAMED.sub("", line) for line in self._lines)
        return " ".join(re.sub(r"[\d,]+", "", text).split())


@dataclasses.dataclass
class Figures:
    histories: int = 0
    operations: int = 0
    calls: int = 0
    requests: int = 0
    deaths: int = 0
    hours: int = 0  # virtual
    seconds: float = 0
    happened: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def __str__(self):
        seconds = max(self.seconds, 1e-3)
        return (f"{self.histories} histories, {self.operations} operations, {self.calls} calls, {self.requests} "
                f"requests, {self.deaths} deaths, {self.hours} virtual hours in {self.seconds:.0f} s: "
                f"{self.operations / seconds:.0f} operations/s, {self.deaths / seconds:.1f} deaths/s, "
                f"{self.hours / seconds:.2f} virtual hours/s")

    @property
    def table(self):
        """How often each trouble, kind of death and check came."""
        return "\n".join(f"{times:12} {name}" for name, times in sorted(self.happened.items()))

    @property
    def missing(self):
        """What should have come and never did."""
        return sorted(name for name, times in self.happened.items() if times == 0 and not SELDOM.match(name))

    def add(self, output):
        """What a process said of its histories."""
        for times, name in HAPPENED.findall(output):
            self.happened[name] += int(times)
        said = FIGURES.search(output)
        if not said:
            return
        for field, number in zip(dataclasses.fields(self), said.groups()):
            setattr(self, field.name, getattr(self, field.name) + int(number))


def lines_of(lines):
    return "".join(f"{line}\n" for line in lines)


def wrong_of(outcome, first):
    """What a process that began with the seed `first` found, or None."""
    if outcome.code == 0:
        return None
    said = WRONG.search(outcome.output)
    if said:
        return Wrong(int(said.group(1)), first, History(outcome.output, outcome.code).report.strip())
    return Wrong(outcome.under_way, first, "\n".join([outcome.ending, *outcome.last_lines]))


# ---- processes ----

@contextlib.contextmanager
def signals_held():
    """No ENDS between the begin of a process and the note of it, or while processes are stopped."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def own_copy(program):
    """Stays as it is when somebody builds: a linker may write into the file, or other options remove its folder."""
    with tempfile.TemporaryDirectory(prefix="pailfs-simulate-") as folder:
        yield pathlib.Path(shutil.copy2(program, folder))


class Process:
    """`simulate` with these arguments. Whatever it began ends with it, and its files go.

    Of its threads one runs at a time, so that it has one CPU: to hand the baton to another takes three times as long."""

    def __init__(self, cpu, program, *arguments):
        self.cpu = cpu
        self._under_way = None
        self._was_stopped = False
        self._out = tempfile.TemporaryFile()
        self.begin = time.monotonic()
        self._process = subprocess.Popen([program, *map(str, arguments)], stdout=self._out, stderr=subprocess.STDOUT,
                                         start_new_session=True, preexec_fn=lambda: prepare(cpu))

    def has_ended(self):
        return self._process.poll() is not None

    def stop(self):
        if not self.has_ended():
            self._was_stopped = True
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for directory in DIRECTORIES.glob(f"pailfs-simulate-{self._process.pid}-*"):
            self._under_way = int(directory.name.split("-")[3])
            shutil.rmtree(directory, ignore_errors=True)

    def outcome(self, kind=Outcome):
        """After stop()."""
        self._out.seek(0)
        said = self._out.read().decode(errors="replace")
        if self._process.returncode == EXIT_CANNOT_RUN:
            raise CannotRun(said.strip())
        return kind(said, self._process.returncode, self._under_way, self._was_stopped)


def prepare(cpu):
    os.sched_setaffinity(0, {cpu})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)


def run_histories(program, seeds):
    """At the same time."""
    processes = []
    try:
        with signals_held():
            processes += [Process(cpu, program, "--seed", seed) for cpu, seed in zip(itertools.cycle(CPUS), seeds)]
        while not all(process.has_ended() or overdue(process, 0) for process in processes):
            time.sleep(0.01)
    finally:
        with signals_held():
            for process in processes:
                process.stop()
    return [process.outcome(History) for process in processes]


def run_history(program, seed):
    return run_histories(program, [seed])[0]


def overdue(process, seconds):
    return time.monotonic() - process.begin > seconds + PATIENCE


class Soak:
    """Fresh seeds from `first` on, in one process on each CPU."""

    def __init__(self, program, first):
        self._program = program
        self._next = first
        self.figures = Figures()
        self.wrong = []

    def run(self, seconds):
        collections.deque(self.each_wrong(seconds), maxlen=0)
        return self

    def each_wrong(self, seconds):
        """Histories that are wrong, as they are found. Prints figures each minute."""
        begin = time.monotonic()
        end = begin + seconds
        next_line = begin + MINUTE
        running = []
        try:
            while True:
                for cpu in sorted(set(CPUS) - {process.cpu for process, _ in running}):
                    if time.monotonic() < end:
                        with signals_held():
                            running.append(self._begin(cpu, max(1, min(SLICE, end - time.monotonic()))))
                if not running:
                    return
                time.sleep(0.05)
                self.figures.seconds = time.monotonic() - begin
                if time.monotonic() >= next_line:
                    print(self.figures, flush=True)
                    next_line = time.monotonic() + MINUTE
                for each in [each for each in running if each[0].has_ended() or overdue(each[0], SLICE)]:
                    with signals_held():
                        running.remove(each)
                        wrong = self._end(*each)
                    if wrong:
                        self.wrong.append(wrong)
                        yield wrong
        finally:
            with signals_held():
                for process, _ in running:
                    process.stop()

    def _begin(self, cpu, seconds):
        first, self._next = self._next, (self._next + APART) % SEEDS
        return Process(cpu, self._program, "--soak", f"{seconds / 60:.4f}", "--from", first), first

    def _end(self, process, first):
        process.stop()
        outcome = process.outcome()
        self.figures.add(outcome.output)
        return wrong_of(outcome, first)
