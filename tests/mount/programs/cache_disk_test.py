#!/usr/bin/env python3
"""What others do to the disk that the cache lies on: they fill it, and they cut and garble files on it."""
import errno
import os
import random
import subprocess
import threading
import time

import harness
from harness import run

NAMES = 500


def contents(number):
    return bytes((number + i) % 251 for i in range(number % 97 + 1))


def fill(disk):
    """Writes until nothing fits any more, in ever smaller pieces."""
    with open(disk / "ballast", "wb", buffering=0) as ballast:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC, error


def check_names(folder):
    listed = run("ls", "-l", folder).splitlines()
    assert len(listed) == NAMES + 1, f"{len(listed) - 1} names in {folder}"
    for number in range(0, NAMES, 50):
        path = folder / f"f{number}"
        assert path.stat().st_size == len(contents(number)), path
        assert path.read_bytes() == contents(number), path


def refused(change):
    try:
        change()
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        return
    assert False, "a write on a full disk was accepted"


def mount_on_small_disk(place):
    """A mount whose cache lies on a disk of 400 MiB, of a bucket of which it has seen one directory out of three."""
    place.serve()
    disk = place.folder / "state"
    disk.mkdir()
    (place.folder / "cache").symlink_to(disk / "of-the-cache")
    run("mount", "-t", "tmpfs", "-o", "size=400m,mode=0700", "tmpfs", disk)
    mount = place.mount("metadata_ttl=1")
    for folder in ("seen", "unseen", "later"):
        (mount.path / folder).mkdir()
        for number in range(NAMES):
            (mount.path / folder / f"f{number}").write_bytes(contents(number))
    mount.unmount()
    for left in disk.iterdir():
        run("rm", "-rf", left)
    mount.start()
    check_names(mount.path / "seen")
    return disk, mount


def names_and_reads_work_and_writes_are_refused(place):
    disk, mount = mount_on_small_disk(place)
    try:
        fill(disk)
        check_names(mount.path / "unseen")
        time.sleep(1.1)  # what was listed is asked of the store again
        check_names(mount.path / "seen")
        refused(lambda: (mount.path / "new").write_bytes(b"x"))
        refused(lambda: (mount.path / "seen" / "f1").write_bytes(b"x"))
        mount.kill_worker()
        check_names(mount.path / "later")
        os.unlink(disk / "ballast")
        (mount.path / "new").write_bytes(b"afterwards")
        assert (mount.path / "new").read_bytes() == b"afterwards"
        for folder in ("seen", "unseen", "later"):
            check_names(mount.path / folder)
        mount.unmount()
        assert not list(disk.glob("**/damaged-*")), "the index was set aside"
    finally:
        run("umount", "-l", disk)


def a_mount_begins_on_a_full_disk(place):
    disk, mount = mount_on_small_disk(place)
    try:
        mount.unmount()
        fill(disk)
        mount.start()
        check_names(mount.path / "seen")
        check_names(mount.path / "unseen")
        mount.unmount()
    finally:
        run("umount", "-l", disk)


def index_file(place):
    found, = (place.folder / "state").glob("**/names/data.mdb")
    return found


def write_names(mount):
    (mount.path / "dir").mkdir()
    for number in range(NAMES):
        (mount.path / "dir" / f"f{number}").write_bytes(contents(number))


def an_index_that_is_cut_under_a_mount_costs_one_worker(place):
    mount = place.mount("metadata_ttl=3600")
    write_names(mount)
    worker = mount.worker()
    os.truncate(index_file(place), 3 * 4096)
    check_names(mount.path / "dir")
    harness.await_true("another worker", lambda: mount.worker() not in (worker, None))
    worker = mount.worker()
    check_names(mount.path / "dir")
    (mount.path / "dir" / "afterwards").write_bytes(b"x")
    assert mount.worker() == worker, "a second worker died"
    mount.unmount()
    assert len(list(index_file(place).parent.glob("damaged-*"))) == 1


def an_index_garbled_between_two_mounts_hides_no_name(place):
    mount = place.mount("metadata_ttl=3600")
    write_names(mount)
    mount.unmount()
    index, noise = index_file(place), random.Random(1)
    with open(index, "r+b") as file:
        for page in range(2, 60, 3):
            file.seek(page * 4096)
            file.write(noise.randbytes(4096))
    mount.start()
    check_names(mount.path / "dir")
    mount.unmount()


def a_rename_on_a_disk_that_fills_leaves_nothing_under_both_names(place):
    disk, mount = mount_on_small_disk(place)
    try:
        harness.set_faults(place, {"operations": ["CopyObject"], "kind": "stall", "stall_ms": 2000, "times": 1})
        renaming = threading.Thread(target=lambda: subprocess.run(["mv", mount.path / "seen", mount.path / "moved"]))
        renaming.start()
        time.sleep(1)
        fill(disk)
        renaming.join()
        assert sum((mount.path / name).exists() for name in ("seen", "moved")) == 1
        (disk / "ballast").unlink()
        if (mount.path / "seen").exists():
            os.rename(mount.path / "seen", mount.path / "moved")
        check_names(mount.path / "moved")
        mount.unmount()
    finally:
        run("umount", "-l", disk)


if __name__ == "__main__":
    harness.main([names_and_reads_work_and_writes_are_refused,
                  a_rename_on_a_disk_that_fills_leaves_nothing_under_both_names, a_mount_begins_on_a_full_disk,
                  an_index_that_is_cut_under_a_mount_costs_one_worker,
                  an_index_garbled_between_two_mounts_hides_no_name])
