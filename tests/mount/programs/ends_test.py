#!/usr/bin/env python3
"""How a mount ends, and what the next one finds: nothing is lost, and nobody is told so too early."""
import contextlib
import errno
import os
import signal
import subprocess
import threading
import time

import harness
from harness import await_true, directories, run, set_faults

ROUNDS = int(os.environ.get("PAILFS_ROUNDS", 60))
BYTES = b"written here and stored nowhere yet"


REFUSED = {"operations": ["PutObject"], "status": 403, "code": "AccessDenied"}


def slow(milliseconds):
    """Answers that come late; 0: never."""
    return {"operations": ["PutObject"], "kind": "stall", "stall_ms": milliseconds}


def leave_pending(place, path):
    """A file whose close() failed: its bytes are staged and not in the bucket."""
    set_faults(place, REFUSED)
    try:
        path.write_bytes(BYTES)
        raise AssertionError("close() did not fail")
    except OSError:
        pass
    # The kernel says RELEASE after close() has returned, and that tries again: not while the faults are changed.
    end = time.monotonic() + 5
    while not log_lines(place, f'"{path.name}": not stored yet') and time.monotonic() < end:
        time.sleep(0.02)


def pailfs_umount(place, path):
    return subprocess.run([place.binary, "umount", path], capture_output=True, text=True, timeout=300)


def in_the_bucket(place, name):
    """What another machine would read."""
    other = place.mount(directories(place.folder, "-elsewhere"), name="elsewhere")
    try:
        return (other.path / name).read_bytes()
    except FileNotFoundError:
        return None
    finally:
        other.unmount()


def killed_second_mount(place, prepare):
    """A mount of the same bucket beside another one, which is killed while `prepare` is under way; both have ended."""
    first, second = place.mount("metadata_ttl=1"), place.mount(name="second")
    prepare(first.path, second.path)
    second.abandon()
    run("umount", "-l", second.path)
    first.unmount()
    set_faults(place)
    return first


def begin(*command):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def await_cleared_up(place):
    await_true("the second's directory is gone", lambda: len(list((place.folder / "state").iterdir())) == 1)


def uploads_that_a_second_mount_left_are_aborted_by_the_next(place):
    def fail_to_store(_, path):
        set_faults(place, {"operations": ["CompleteMultipartUpload"], "status": 403, "code": "AccessDenied"})
        for number in range(3):
            assert begin("dd", "if=/dev/zero", f"of={path}/large{number}", "bs=1M", "count=33").wait() != 0

    first = killed_second_mount(place, fail_to_store)
    set_faults(place, {"operations": ["AbortMultipartUpload"], "kind": "stall", "stall_ms": 300})
    first.start()
    await_cleared_up(place)
    assert len(list((place.folder / "state").glob("*/kept/*"))) >= 3


def a_rename_that_a_second_mount_left_is_finished_by_the_next(place):
    def stop_deleting(beside, path):
        harness.write_tree(path / "old", 1, 30, 100)
        set_faults(place, {"operations": ["DeleteObjects"], "kind": "stall"})
        begin("mv", path / "old", path / "new")
        await_true("the last copy", lambda: len(list(beside.glob("new/d0/*"))) == 30)

    first = killed_second_mount(place, stop_deleting)
    set_faults(place, {"operations": ["DeleteObjects"], "kind": "stall", "stall_ms": 300})
    first.start()
    await_cleared_up(place)
    first.unmount()
    harness.forget_everything(place.folder)
    first.start()
    assert [entry.name for entry in first.path.iterdir()] == ["new"]
    assert len(list((first.path / "new" / "d0").iterdir())) == 30


def view_directories(place):
    """Of state and cache, which have the same names."""
    of_state, of_cache = (sorted(entry.name for entry in (place.folder / name).iterdir()) for name in ("state", "cache"))
    assert of_state == of_cache, (of_state, of_cache)
    return of_state


def kept_files(place):
    return [path.read_bytes() for path in (place.folder / "state").glob("*/kept/*")]


def log_lines(place, words):
    return [line for line in (place.folder / "mount.log").read_text().splitlines() if words in line]


def umount_returns_when_everything_is_in_the_bucket(place):
    mount = place.mount()
    leave_pending(place, mount.path / "late")
    set_faults(place, slow(3000))
    done = pailfs_umount(place, mount.path)
    set_faults(place)
    assert done.returncode == 0, done.stderr
    assert in_the_bucket(place, "late") == BYTES
    assert "1 file left" in done.stderr, done.stderr


def the_helper_of_umount_waits_as_well(place):
    mount = place.mount()
    leave_pending(place, mount.path / "late")
    set_faults(place, slow(3000))
    os.symlink(mount.binary, place.folder / "umount.fuse.pailfs")
    run(place.folder / "umount.fuse.pailfs", mount.path, "-n", "-t", "fuse.pailfs")
    set_faults(place)
    assert in_the_bucket(place, "late") == BYTES


def umount_names_what_stays_and_where_it_is_kept(place):
    mount = place.mount()
    leave_pending(place, mount.path / "one")
    leave_pending(place, mount.path / "two")
    done = pailfs_umount(place, mount.path)
    assert done.returncode != 0
    assert not os.path.ismount(mount.path)
    for name in ("one", "two"):
        lines = [line for line in done.stderr.splitlines() if line.startswith(f'pailfs: not stored: "{name}": ')]
        assert len(lines) == 1 and "AccessDenied" in lines[0], done.stderr
        with open(lines[0].split("; kept in ")[1], "rb") as file:
            assert file.read() == BYTES
    assert mount.process.wait(60) != 0
    mount.start()
    assert kept_files(place) == [BYTES, BYTES]


def a_store_that_hangs_holds_the_end_for_stop_timeout(place):
    mount = place.mount("stop_timeout=2")
    set_faults(place, slow(0))
    files = [open(mount.path / f"open-{i}", "wb", buffering=0) for i in range(8)]
    for file in files:
        file.write(BYTES)
    mount.process.send_signal(signal.SIGTERM)
    assert mount.process.wait(60) != 0  # with a bound for each file and step it takes minutes
    for file in files:
        with contextlib.suppress(OSError):  # the mount is gone
            file.close()
    for i in range(8):
        assert len(log_lines(place, f'not stored: "open-{i}"')) == 1
    set_faults(place)
    mount.start()
    assert kept_files(place) == [BYTES] * 8


def an_upload_that_nobody_waits_for_holds_an_umount_for_stop_timeout(place):
    mount = place.mount("stop_timeout=2")
    set_faults(place, slow(0))
    program = subprocess.Popen(["dd", "of=" + str(mount.path / "file"), "status=none"], stdin=subprocess.PIPE)
    program.stdin.write(BYTES)
    program.stdin.close()
    path = mount.path / "file"
    await_true("the write", lambda: path.exists() and path.stat().st_size == len(BYTES))
    time.sleep(0.5)  # it is in close()
    program.kill()
    program.wait(30)
    begun = time.monotonic()
    done = pailfs_umount(place, mount.path)
    assert done.returncode != 0
    assert 'not stored: "file"' in done.stderr, done.stderr
    assert time.monotonic() - begun < 10, "it was ended by force"
    assert not log_lines(place, "has not ended in time")
    set_faults(place)
    mount.process.wait(60)
    mount.start()
    assert kept_files(place) == [BYTES]


def a_call_that_waits_is_answered_when_the_time_is_up(place):
    mount = place.mount("stop_timeout=2")
    set_faults(place, slow(0))
    fd = os.open(mount.path / "file", os.O_CREAT | os.O_WRONLY)
    os.write(fd, BYTES)
    answers = []

    def close():
        try:
            os.close(fd)
        except OSError as refused:
            answers.append(refused.errno)

    closing = threading.Thread(target=close)
    closing.start()
    mount.process.send_signal(signal.SIGTERM)
    closing.join(60)
    assert answers == [errno.EINTR], answers  # not ECONNABORTED: nobody was killed
    assert mount.process.wait(60) != 0
    set_faults(place)
    mount.start()
    assert kept_files(place) == [BYTES]


def files_are_stored_in_parallel_at_the_end(place):
    mount = place.mount("stop_timeout=40")
    set_faults(place, slow(2000))
    files = [open(mount.path / f"open-{i}", "wb", buffering=0) for i in range(40)]
    for file in files:
        file.write(BYTES)
    mount.process.send_signal(signal.SIGTERM)
    assert mount.process.wait(120) == 0  # one after the other they take 80 s
    for file in files:
        with contextlib.suppress(OSError):
            file.close()


def a_loop_of_umount_and_mount_loses_no_mount(place):
    place.serve()
    path = place.folder / "mnt"
    for round_ in range(ROUNDS):
        place.mount_in_background()
        (path / "rounds").write_text(str(round_))
        assert os.path.ismount(path), f"round {round_}: the mount is lost"
        run("umount", "-i", path)  # without a helper that would wait
    place.mount_in_background()
    assert (path / "rounds").read_text() == str(ROUNDS - 1)
    assert len(view_directories(place)) == 1
    assert pailfs_umount(place, path).returncode == 0


def a_mount_waits_for_the_one_before_it(place):
    mount = place.mount()
    leave_pending(place, mount.path / "late")
    set_faults(place, slow(3000))
    run("umount", "-i", mount.path)
    said = place.mount_in_background()
    assert "waiting for the mount before this one" in said, said
    assert (place.folder / "mnt" / "late").read_bytes() == BYTES
    assert len(view_directories(place)) == 1
    assert pailfs_umount(place, place.folder / "mnt").returncode == 0


def a_second_mount_beside_a_live_one_does_not_wait(place):
    mount = place.mount()
    said = place.mount_in_background("beside")
    assert "waiting" not in said, said
    assert len(view_directories(place)) == 2
    (mount.path / "here").write_text("x")
    assert (place.folder / "beside" / "here").read_text() == "x"
    assert pailfs_umount(place, place.folder / "beside").returncode == 0


def what_a_second_mount_left_is_kept_by_the_next(place):
    first = place.mount()
    second = place.mount(name="second")
    assert len(view_directories(place)) == 2
    leave_pending(place, second.path / "lost?")
    second.abandon()
    run("umount", "-l", second.path)
    first.unmount()
    set_faults(place)
    first.start()
    assert len(view_directories(place)) == 1
    assert kept_files(place) == [BYTES]
    assert log_lines(place, "bytes that an earlier mount could not store are kept in")


def umount_of_what_was_killed_says_where_the_rest_is(place):
    mount = place.mount()
    mount.abandon()
    done = pailfs_umount(place, mount.path)
    assert done.returncode != 0 and "had been killed" in done.stderr and "state directory" in done.stderr, done
    assert not os.path.ismount(mount.path)


def umount_refuses_what_is_no_mount_of_pailfs(place):
    folder, plain = place.folder / "other", place.folder / "plain"
    folder.mkdir()
    plain.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", folder)
    os.symlink(place.binary, place.folder / "umount.fuse.pailfs")
    try:
        for command in ([place.binary, "umount", folder], [place.folder / "umount.fuse.pailfs", folder, "-n"]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 1 and "tmpfs" in done.stderr, (done.returncode, done.stderr)
            assert os.path.ismount(folder)
    finally:
        run("umount", folder)
    done = pailfs_umount(place, plain)
    assert done.returncode == 1 and "nothing is mounted" in done.stderr, (done.returncode, done.stderr)


if __name__ == "__main__":
    harness.main([umount_returns_when_everything_is_in_the_bucket, the_helper_of_umount_waits_as_well,
                  an_upload_that_nobody_waits_for_holds_an_umount_for_stop_timeout,
                  umount_names_what_stays_and_where_it_is_kept, a_store_that_hangs_holds_the_end_for_stop_timeout,
                  a_call_that_waits_is_answered_when_the_time_is_up,
                  files_are_stored_in_parallel_at_the_end, a_loop_of_umount_and_mount_loses_no_mount,
                  a_mount_waits_for_the_one_before_it, a_second_mount_beside_a_live_one_does_not_wait,
                  what_a_second_mount_left_is_kept_by_the_next,
                  uploads_that_a_second_mount_left_are_aborted_by_the_next,
                  a_rename_that_a_second_mount_left_is_finished_by_the_next,
                  umount_of_what_was_killed_says_where_the_rest_is, umount_refuses_what_is_no_mount_of_pailfs])
