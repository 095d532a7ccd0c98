#!/usr/bin/env python3
"""Two programs of pailfs do the same work in turns, on the same store.

    compare.py BEFORE AFTER [--pairs 8] [--latency 0ms]

Prints for each kind of work the median seconds of both and the median ratio AFTER / BEFORE of the pairs.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mount/programs"))
from harness import Store, await_true, directories, write_tree  # noqa: E402

LARGE = 256 << 20
NAMES = 10_000
SMALL = 600


class Program:
    """One of the two, which may be of a version without state_dir."""

    def __init__(self, binary, folder, name):
        self.binary, self.folder, self.name = binary, folder / name, name
        (self.folder / "mnt").mkdir(parents=True)
        self.path = self.folder / "mnt"
        known = subprocess.run([binary, "generate", "options"], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.places = directories(self.folder) if "state_dir" in known else f"cache_dir={self.folder}/cache"

    def start(self, store):
        self.process = subprocess.Popen([self.binary, "mount", "demo", self.path, "-f", "-o",
                                         f"{store.options()},{self.places}"], stderr=subprocess.DEVNULL)
        await_true("the mount", lambda: os.path.ismount(self.path))

    def stop(self):
        subprocess.run(["umount", self.path], check=True)
        self.process.wait(120)

    def forget(self):
        for name in ("state", "cache"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def command(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def sequential_write(path):
    command("dd", "if=/dev/zero", f"of={path}/large", "bs=1M", f"count={LARGE >> 20}", "conv=fsync")


def sequential_read(path):
    command("dd", f"if={path}/large", "of=/dev/null", "bs=1M")


def find(path):
    command("find", path / "many", "-type", "f")


def untar(path):
    command("tar", "-xf", path.parent.parent / "tree.tar", "-C", path)


def move(path):
    os.rename(path / "tree", path / "moved")


def remove(path):
    command("rm", "-r", path / "moved")


WORK = [sequential_write, sequential_read, find, untar, move, remove]
COLD = {sequential_read, find}  # after a mount that knows nothing


def one_round(program, store):
    """Seconds by kind of work."""
    seconds = {}
    program.forget()
    program.start(store)
    for work in WORK:
        if work in COLD:
            program.stop()
            program.forget()
            program.start(store)
        begin = time.monotonic()
        work(program.path)
        seconds[work.__name__] = time.monotonic() - begin
    program.stop()
    return seconds


def fill(program, store):
    program.start(store)
    many = program.path / "many"
    many.mkdir()
    for d in range(10):
        (many / f"d{d}").mkdir()
    subprocess.run(["sh", "-c", f"seq 0 {NAMES - 1} | xargs -P 16 -n 100 sh -c 'for n; do : > {many}/d$((n % 10))/f$n; done' x"],
                   check=True)
    program.stop()
    program.forget()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("before", type=pathlib.Path)
    options.add_argument("after", type=pathlib.Path)
    options.add_argument("--pairs", type=int, default=8, help="an even number: the second of a pair writes more slowly")
    options.add_argument("--latency", default="0ms")
    chosen = options.parse_args()
    if chosen.pairs < 2 or chosen.pairs % 2:
        options.error("--pairs is an even number")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_tree(folder / "tree", 6, SMALL // 6, 3000)
        with tarfile.open(folder / "tree.tar", "w") as archive:
            archive.add(folder / "tree", "tree")
        store = Store(chosen.after.resolve(), folder, "--latency", chosen.latency)
        before = Program(chosen.before.resolve(), folder, "before")
        after = Program(chosen.after.resolve(), folder, "after")
        fill(after, store)
        rounds = []
        for pair in range(chosen.pairs):
            order = [before, after] if pair % 2 == 0 else [after, before]
            rounds.append({program.name: one_round(program, store) for program in order})
        store.stop()
    print(f"{'work':<18}{'before s':>10}{'after s':>10}{'ratio':>8}")
    for work in WORK:
        of = {side: [each[side][work.__name__] for each in rounds] for side in ("before", "after")}
        ratio = statistics.median(b / a for a, b in zip(of["before"], of["after"]))
        print(f"{work.__name__:<18}{statistics.median(of['before']):>10.3f}{statistics.median(of['after']):>10.3f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
