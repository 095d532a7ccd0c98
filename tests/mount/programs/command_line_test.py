#!/usr/bin/env python3
"""What the command line does with odd callers: closed descriptors, open locks, users without rights, bad places."""
import contextlib
import errno
import fcntl
import os
import pathlib
import re
import shutil
import socket
import subprocess

import harness
from harness import await_true, directories, need, run

NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
WAIT = 120  # seconds: more than a mount takes on a busy machine


def mount_command(place, options="", directory=None, state=None, cache=None):
    """`pailfs mount` in the background, as words."""
    if place.store is None:
        place.serve()
    directory = directory or place.folder / "mnt"
    directory.mkdir(exist_ok=True)
    cache = cache or place.folder / "cache"
    state = state or place.folder / "state"
    settings = f"{place.store.options()},state_dir={state},cache_dir={cache}" + (f",{options}" if options else "")
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
        refused(mount_command(place, state=directory / "a"), "state_dir", "mount point")
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
        refused(mount_command(place, state=home / "state"), str(home), "belongs to nobody", "state_dir")
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


def with_api_key(place, iam_endpoint):
    """Options of a mount whose API key is exchanged at this endpoint."""
    place.store or place.serve()
    keys = place.folder / "api-key.json"
    keys.write_text('{"apikey": "guess", "resource_instance_id": "crn:v1:x"}')
    os.chmod(keys, 0o600)
    return f"credentials={keys},iam_endpoint={iam_endpoint}"


def mount_and_doctor(place, options="", **directories):
    """Both, with the same options."""
    command = mount_command(place, options, **directories)
    for words in (command, [command[0], "doctor", *command[2:3], *command[4:]]):
        yield subprocess.run(words, capture_output=True, text=True, timeout=WAIT)


def an_iam_endpoint_that_does_not_answer_is_named(place):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/identity/token"
        for done in mount_and_doctor(place, with_api_key(place, endpoint)):
            said = done.stdout + done.stderr
            assert done.returncode != 0
            assert f"the IAM endpoint {endpoint}" in said and "iam_endpoint=URL" in said, said
            assert f"{place.store.address()} did not answer" not in said, said


def warnings_before_the_mount_go_to_stderr(place):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}/identity/token"
    for done in mount_and_doctor(place, with_api_key(place, endpoint)):
        assert done.returncode != 0
        assert "warning" in done.stderr and "warning" not in done.stdout, (done.stdout, done.stderr)
        assert f"the IAM endpoint {endpoint}" in done.stdout + done.stderr
        assert "waiting for a token: POST" in done.stdout + done.stderr, done.stderr  # and why


def what_cannot_be_a_directory_of_its_own_is_found_before_the_mount_too(place):
    unusable = place.folder / "unusable"

    def refused_by_both(why):
        for which in ("state", "cache"):
            for done in mount_and_doctor(place, **{which: unusable}):
                said = done.stdout + done.stderr
                assert done.returncode != 0 and re.search(f"{unusable}.*: {why}", said), said

    unusable.touch()
    refused_by_both("Not a directory")
    unusable.unlink()
    unusable.mkdir()
    unusable.chmod(0o777)
    refused_by_both("others than its owner")
    run("mount", "-t", "tmpfs", "-o", "ro,mode=0700", "tmpfs", unusable)
    try:
        refused_by_both("Read-only file system")
    finally:
        run("umount", unusable)


def a_disk_without_room_for_writing_is_told_of(place):
    disk = place.folder / "state"
    disk.mkdir()
    # An index takes 32 MiB at once.
    run("mount", "-t", "tmpfs", "-o", "size=280m,mode=0700", "tmpfs", disk)
    try:
        with unmounted_after(place) as directory:
            for done in mount_and_doctor(place, ""):
                said = done.stdout + done.stderr
                assert done.returncode == 0, said
                assert re.search(r"[12]\d\d\.\d MiB are free", said), said
                assert "256.0 MiB" in said and "state_dir=DIR" in said, said
            with open(directory / "file", "wb", buffering=0) as file:
                try:
                    file.write(b"x")
                    raise AssertionError("a write was accepted")
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error
    finally:
        run("umount", "-l", disk)


def why_the_store_cannot_be_reached_is_said_once(place):
    place.serve()
    place.store.stop()
    for done in mount_and_doctor(place, ""):
        said = done.stdout + done.stderr
        assert done.returncode != 0 and said.count("Connection refused") == 1, said


def what_else_is_to_be_said_of_the_store_is_said(place):
    place.serve()
    with harness.store_with_another_clock() as url:
        place.store.address = lambda: url
        for done in mount_and_doctor(place, ""):
            said = done.stdout + done.stderr
            assert done.returncode != 0 and "the local clock is 3" in said, said


def a_mount_that_fails_has_the_same_status_in_the_foreground(place):
    with unmounted_after(place) as directory:
        run(*mount_command(place))
        for more in ([], ["-f"]):
            refused(mount_command(place) + more, "mounted there already")
            done = subprocess.run(mount_command(place, "frobnicate") + more, stderr=subprocess.DEVNULL, timeout=WAIT)
            assert done.returncode == 1, done.returncode
        assert os.path.ismount(directory)


def a_state_directory_that_is_removed_under_a_mount_is_an_error_of_it(place):
    mount = place.mount()
    (mount.path / "there").write_text("bytes")
    while (place.folder / "state").exists():  # the mount may write to it just then
        shutil.rmtree(place.folder / "state", ignore_errors=True)
    for write in (lambda: (mount.path / "new").write_text("x"), lambda: (mount.path / "there").write_text("x")):
        try:
            write()
            raise AssertionError("a write was accepted")
        except OSError as error:
            assert error.errno == errno.EIO, error
    log = pathlib.Path(mount.log.name).read_text()
    [line] = [line for line in log.splitlines() if "error:" in line]
    assert str(place.folder / "state") in line and "state_dir" in line, line
    assert (mount.path / "there").read_text() in ("", "bytes")


def attributes_that_nothing_has_are_no_lines_of_the_log(place):
    mount = place.mount("log_level=debug")
    for i in range(3):
        (mount.path / "file").write_text(str(i))
    try:
        os.getxattr(mount.path / "file", "user.missing")
        raise AssertionError("an attribute that is missing was there")
    except OSError as error:
        assert error.errno == errno.ENODATA, error
    mount.unmount()
    assert "getxattr" not in pathlib.Path(mount.log.name).read_text()


def a_fifo_in_the_place_of_what_the_store_can_is_not_waited_for(place):
    with unmounted_after(place) as directory:
        run(*mount_command(place))
        run(place.binary, "umount", directory)
        [view] = (place.folder / "state").iterdir()
        (view / "dialect").unlink(missing_ok=True)
        os.mkfifo(view / "dialect")
        subprocess.run(mount_command(place), check=True, timeout=60)
        assert os.path.ismount(directory)


class OwnMount:
    """A mount by a user without rights, in a mount namespace of its own with a /dev/fuse that users may open."""
    NAMESPACE = ("mount -t tmpfs none {0} && mknod -m 666 {0}/fuse c {1} {2} && mount --bind {0}/fuse /dev/fuse && "
                 "echo ready && exec sleep 3600")

    def __init__(self, place, options=""):
        for program in ("fusermount3", "unshare", "nsenter", "setpriv"):
            need(program)
        self.place, self.home = place, place.folder / "home"
        store = place.store or place.serve()
        os.chmod(place.folder, 0o711)
        self.path = self.home / "mnt"
        self.path.mkdir(parents=True, exist_ok=True)
        shutil.copy(store.folder / "credentials.json", self.home / "keys.json")
        os.chmod(self.home / "keys.json", 0o600)
        for path in (self.home, self.path, self.home / "keys.json"):
            os.chown(path, NOBODY["user"], NOBODY["group"])
        settings = f"url={store.address()},credentials={self.home}/keys.json,{directories(self.home)}"
        self.settings = settings + (f",{options}" if options else "")

    def __enter__(self):
        devices = self.place.folder / "dev"
        devices.mkdir(exist_ok=True)
        number = os.stat("/dev/fuse").st_rdev
        script = self.NAMESPACE.format(devices, os.major(number), os.minor(number))
        self.holder = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", script],
                                       stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n"
        self.run(self.place.binary, "mount", "demo", self.path, "-o", self.settings)
        return self

    def inside(self, *command):
        return ["nsenter", "-t", str(self.holder.pid), "-m", *map(str, command)]

    def run(self, *command):
        user, group = NOBODY["user"], NOBODY["group"]
        as_user = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--", "env", "-u", "XDG_RUNTIME_DIR",
                   f"HOME={self.home}"]
        return run(*self.inside(*as_user, *command), cwd="/")

    def shown(self, name="."):
        return self.run("stat", "-c", "%a %u:%g", self.path / name).strip()

    def mounted(self):
        return str(self.path) in pathlib.Path(f"/proc/{self.holder.pid}/mounts").read_text()

    def __exit__(self, *_):
        subprocess.run(self.inside("umount", self.path), stderr=subprocess.DEVNULL)
        subprocess.run(self.inside("umount", "-l", self.path), stderr=subprocess.DEVNULL)
        await_true("the end of the processes", lambda: not self.users_of_the_state(), WAIT)
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    def users_of_the_state(self):
        for lock in (self.home / "state").glob("*/mount.lock"):
            with open(lock) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False


def a_users_own_mount_is_theirs_to_write(place):
    with OwnMount(place) as mount:
        assert mount.shown() == "755 65534:65534", mount.shown()
        mount.run("sh", "-ec", f"cd {mount.path}; echo content > file; mkdir dir; mv file dir; chmod 700 dir")
        assert mount.run("cat", mount.path / "dir/file") == "content\n"
        assert mount.shown("dir/file") == "644 65534:65534", mount.shown("dir/file")
        mount.run(place.binary, "umount", mount.path)
        assert not mount.mounted()
    with OwnMount(place) as mount:
        assert mount.run("cat", mount.path / "dir/file") == "content\n"


def a_users_own_mount_shows_its_root_as_the_options_say(place):
    with OwnMount(place, "dir_mode=0700") as mount:
        assert mount.shown() == "700 65534:65534", mount.shown()
    with OwnMount(place, "umask=027") as mount:
        assert mount.shown() == "750 65534:65534", mount.shown()
        mount.run("chmod", "711", mount.path)
    with OwnMount(place, "dir_mode=0700") as mount:
        assert mount.shown() == "711 65534:65534", mount.shown()


if __name__ == "__main__":
    harness.main([a_cache_below_the_mount_point_is_refused, a_cache_below_the_mount_point_by_a_bind_mount_is_refused,
                  credentials_below_the_mount_point_are_refused, a_cache_below_a_directory_of_another_user_is_refused,
                  a_lock_of_the_caller_is_not_kept_by_a_mount_in_the_background,
                  closed_standard_descriptors_do_not_keep_from_mounting,
                  standard_descriptors_are_never_used_for_anything_else,
                  a_warning_into_a_closed_pipe_does_not_keep_from_mounting,
                  an_error_into_a_full_file_is_an_exit_status, an_iam_endpoint_that_does_not_answer_is_named,
                  warnings_before_the_mount_go_to_stderr,
                  what_cannot_be_a_directory_of_its_own_is_found_before_the_mount_too,
                  a_disk_without_room_for_writing_is_told_of,
                  why_the_store_cannot_be_reached_is_said_once, what_else_is_to_be_said_of_the_store_is_said,
                  a_mount_that_fails_has_the_same_status_in_the_foreground,
                  a_state_directory_that_is_removed_under_a_mount_is_an_error_of_it,
                  attributes_that_nothing_has_are_no_lines_of_the_log,
                  a_fifo_in_the_place_of_what_the_store_can_is_not_waited_for,
                  a_users_own_mount_is_theirs_to_write,
                  a_users_own_mount_shows_its_root_as_the_options_say])
