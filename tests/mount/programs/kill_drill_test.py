#!/usr/bin/env python3
"""Workers killed again and again under programs that must not notice, and supervisors killed, too."""
import hashlib
import os
import random
import statistics
import threading
import time

import harness
from harness import forget_everything, run

KILLS = int(os.environ.get("PAILFS_KILLS", "50"))


class Killer(threading.Thread):
    """Kills the worker at random moments, until it has done so often enough, and measures the pause."""

    def __init__(self, mount, kills, seed):
        super().__init__()
        self.mount, self.kills, self.random, self.pauses = mount, kills, random.Random(seed), []
        self.wanted = threading.Event()
        self.wanted.set()

    def run(self):
        probe = self.mount.path / "probe"
        while len(self.pauses) < self.kills and self.wanted.is_set():
            time.sleep(self.random.uniform(0.05, 0.6))
            begin = time.monotonic()
            if self.mount.kill_worker() is None:
                continue
            os.close(os.open(probe, os.O_RDONLY))  # asks the worker, whatever the kernel has cached
            self.pauses.append(time.monotonic() - begin)

    def report(self):
        pauses = sorted(pause * 1000 for pause in self.pauses)
        if pauses:
            print(f"        {len(pauses)} kills; pause in ms: median {statistics.median(pauses):.0f}, max {pauses[-1]:.0f}")


def under_kills(mount, work, kills=KILLS):
    """Runs `work` again and again until the worker was killed often enough."""
    seed = int(os.environ.get("PAILFS_SEED", random.randrange(1 << 30)))
    print(f"        PAILFS_SEED={seed}")
    (mount.path / "probe").write_text("here")
    killer = Killer(mount, kills, seed)
    killer.start()
    try:
        rounds = 0
        while killer.is_alive() or rounds == 0:
            work(rounds)
            rounds += 1
    finally:
        killer.wanted.clear()
        killer.join()
        killer.report()
    assert len(killer.pauses) >= kills, f"only {len(killer.pauses)} kills"


def tar_of_the_mount_is_the_same_each_time(place):
    mount = place.mount()
    harness.write_tree(mount.path / "tree", 10, 20, 30000)
    command = f"set -o pipefail; tar -C {mount.path} --sort=name -c tree | sha256sum"
    expected = run("bash", "-c", command)

    def work(_):
        assert run("bash", "-c", command) == expected
    under_kills(mount, work)


def a_git_clone_onto_the_mount_is_whole(place):
    mount = place.mount()
    harness.git_repository(place.folder / "source", 300)

    def work(rounds):
        target = mount.path / f"clone{rounds}"
        run("git", "clone", "-q", "--no-local", place.folder / "source", target)
        run("git", "-C", target, "fsck", "--full")
        assert run("git", "-C", target, "status", "--porcelain") == ""
    under_kills(mount, work)


def a_1_gib_file_is_written_whole(place):
    mount = place.mount()
    pieces = [random.Random(i).randbytes(1 << 20) for i in range(16)]

    def work(rounds):
        expected = hashlib.sha256()
        with open(mount.path / "large", "wb") as file:
            for i in range(1024):
                piece = pieces[(i * 7 + rounds) % 16]
                file.write(piece)
                expected.update(piece)
        with open(mount.path / "large", "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == expected.hexdigest()
    under_kills(mount, work)


def name_operations_match_a_model(place, kills=KILLS):
    """Random operations on the mount and on a local directory: the same errno each time, the same tree at the end."""
    mount = place.mount()
    here, model = mount.path / "names", place.folder / "model"
    here.mkdir()
    model.mkdir()
    seed = int(os.environ.get("PAILFS_SEED", random.randrange(1 << 30)))
    print(f"        names: PAILFS_SEED={seed}")
    dice = random.Random(seed)
    done = [0]

    def operation():
        pick = lambda: f"{dice.choice('abc')}/{dice.choice('xyz')}" if dice.random() < 0.6 else dice.choice("abcd")
        name, other, data = pick(), pick(), dice.randbytes(dice.randrange(3000))

        def write(root, flags):
            file = os.open(root / name, flags | os.O_WRONLY | os.O_CREAT, 0o640)
            os.write(file, data)
            os.close(file)
        return dice.choice([
            lambda root: write(root, os.O_TRUNC), lambda root: write(root, os.O_EXCL),
            lambda root: os.mkdir(root / name), lambda root: os.mkdir(root / name),
            lambda root: os.rmdir(root / name), lambda root: os.unlink(root / name),
            lambda root: os.rename(root / name, root / other), lambda root: os.rename(root / name, root / other),
            lambda root: os.symlink("target" + other, root / name), lambda root: os.truncate(root / name, len(data)),
            lambda root: os.chmod(root / name, 0o700), lambda root: sorted(os.listdir(root / name)),
            lambda root: (root / name).read_bytes(), lambda root: os.readlink(root / name)]), (name, other)

    def outcome(action, root):
        try:
            return 0, action(root)
        except OSError as error:
            return error.errno, None

    def work(_):
        for _ in range(200):
            action, names = operation()
            expected, got = outcome(action, model), outcome(action, here)
            assert expected == got, f"operation {done[0]} on {names}: {expected} on disk, {got} on the mount"
            done[0] += 1
    under_kills(mount, work, kills)
    print(f"        {done[0]} operations")
    run("diff", "-r", "--no-dereference", model, here)
    mount.unmount()
    forget_everything(place.folder)
    mount.start()
    run("diff", "-r", "--no-dereference", model, here)


def what_was_closed_is_there_after_the_supervisor_dies_too(place):
    mount = place.mount()
    written = {}
    for round_ in range(5):
        for i in range(20):
            name, data = f"f{round_}-{i}", os.urandom(random.randrange(200_000))
            (mount.path / name).write_bytes(data)
            written[name] = data
        unclosed = open(mount.path / "unclosed", "wb", buffering=0)
        unclosed.write(b"half")
        mount.abandon()
        try:
            unclosed.close()
        except OSError:
            pass
        mount.start()
        for name, data in written.items():
            assert (mount.path / name).read_bytes() == data, name
        assert not (mount.path / "unclosed").exists()


if __name__ == "__main__":
    harness.main([tar_of_the_mount_is_the_same_each_time, a_git_clone_onto_the_mount_is_whole,
                  a_1_gib_file_is_written_whole, name_operations_match_a_model,
                  what_was_closed_is_there_after_the_supervisor_dies_too])
