#!/usr/bin/env python3
"""What the command line does with odd callers: closed descriptors, open locks, users without rights, bad places."""
import contextlib
import fcntl
import os
import shutil
import subprocess

import harness
from harness import await_true, run

NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
WAIT = 120  # seconds: more than a mount takes on a busy machine


def mount_command(place, options="", directory=None, cache=None):
    """`pailfs mount` in the background, as words."""
    if place.store is None:
        place.serve()
    directory = directory or place.folder / "mnt"
    directory.mkdir(exist_ok=True)
    cache = cache or place.folder / "cache"
    settings = f"{place.store.options()},cache_dir={cache}" + (f",{options}" if options else "")
    return [str(place.binary), "mount", "demo", str(directory), "-o", settings]


@contextlib.contextmanager
def unmounted_after(place):
    directory = place.folder / "mnt"
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], stderr=subprocess.DEVNULL)
        subprocess.run(["umount", "-l", directory], stderr=subprocess.DEVNULL)


def refused(command, *texts):
    """The mount fails within reason, and its message holds all texts."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WAIT)
    assert done.returncode == 32, f"exit {done.returncode}: {done.stdout}"
    for text in texts:
        assert text in done.stdout, done.stdout


def a_cache_below_the_mount_point_is_refused(place):
    directory = place.folder / "mnt"
    with unmounted_after(place):
        refused(mount_command(place, cache=directory), "cache_dir", "mount point")
        refused(mount_command(place, cache=directory / "a/b"), "cache_dir", "mount point")
        (place.folder / "link").symlink_to(directory)
        refused(mount_command(place, cache=place.folder / "link/a"), "cache_dir", "mount point")
        assert os.listdir(directory) == []


def a_cache_below_the_mount_point_by_a_bind_mount_is_refused(place):
    directory, other = place.folder / "mnt", place.folder / "bound"
    other.mkdir()
    directory.mkdir()
    run("mount", "--bind", directory, other)
    try:
        with unmounted_after(place):
            refused(mount_command(place, cache=other / "cache"), "cache_dir", "mount point")
    finally:
        run("umount", other)


def credentials_below_the_mount_point_are_refused(place):
    directory = place.folder / "mnt"
    place.serve()
    directory.mkdir()
    shutil.copy(place.folder / "store/credentials.json", directory / "keys.json")
    os.chmod(directory / "keys.json", 0o600)
    with unmounted_after(place):
        refused(mount_command(place, f"credentials={directory}/keys.json"), "credentials", "mount point")
        (directory / "link.json").symlink_to(place.folder / "store/credentials.json")
        refused(mount_command(place, f"credentials={directory}/link.json"), "credentials", "mount point")


def a_cache_below_a_directory_of_another_user_is_refused(place):
    home = place.folder / "home"
    home.mkdir()
    os.chown(home, NOBODY["user"], NOBODY["group"])
    with unmounted_after(place):
        refused(mount_command(place, cache=home / "cache"), str(home), "belongs to nobody", "cache_dir")
        assert os.listdir(home) == []


def a_lock_of_the_caller_is_not_kept_by_a_mount_in_the_background(place):
    lock = place.folder / "lock"
    with unmounted_after(place), open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)
        run(*mount_command(place), close_fds=False)
        file.close()
        with open(lock) as again:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


def closed_standard_descriptors_do_not_keep_from_mounting(place):
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        with unmounted_after(place) as directory:
            command = mount_command(place)
            done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *command], timeout=WAIT)
            assert done.returncode == 0, f"{closed}: exit {done.returncode}"
            (directory / "file").write_text(closed)
            assert (directory / "file").read_text() == closed


def standard_descriptors_are_never_used_for_anything_else(place):
    command = mount_command(place) + ["-f"]
    with unmounted_after(place) as directory:
        mount = subprocess.Popen(["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", *command])
        await_true("the mount", lambda: os.path.ismount(directory), WAIT)
        (directory / "file").write_text("content")
        for pid in (mount.pid, *harness.children_of(mount.pid)):
            for fd in range(3):
                assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null", (pid, fd)
        run("umount", directory)
        assert mount.wait(WAIT) == 0


def a_warning_into_a_closed_pipe_does_not_keep_from_mounting(place):
    reading, writing = os.pipe()
    os.close(reading)
    with unmounted_after(place) as directory:
        done = subprocess.run(mount_command(place, "writeback"), stdout=writing, stderr=writing, timeout=WAIT)
        os.close(writing)
        assert done.returncode == 0, f"exit {done.returncode}"
        assert os.path.ismount(directory)


def an_error_into_a_full_file_is_an_exit_status(place):
    with open("/dev/full", "w") as full:
        done = subprocess.run([place.binary, "mount", "demo", place.folder, "-o", "frobnicate"], stderr=full)
    assert done.returncode == 1, f"exit {done.returncode}"


if __name__ == "__main__":
    harness.main([a_cache_below_the_mount_point_is_refused, a_cache_below_the_mount_point_by_a_bind_mount_is_refused,
                  credentials_below_the_mount_point_are_refused, a_cache_below_a_directory_of_another_user_is_refused,
                  a_lock_of_the_caller_is_not_kept_by_a_mount_in_the_background,
                  closed_standard_descriptors_do_not_keep_from_mounting,
                  standard_descriptors_are_never_used_for_anything_else,
                  a_warning_into_a_closed_pipe_does_not_keep_from_mounting,
                  an_error_into_a_full_file_is_an_exit_status])
