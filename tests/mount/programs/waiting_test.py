#!/usr/bin/env python3
"""Programs that wait for a slow store: their signals, and what goes on beside them."""
import contextlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import urllib.request

import harness
from harness import await_true, forget_everything

STALL = 90  # seconds of silence; no case waits for their end
SOON = STALL / 6  # what does not wait for the store ends well before

# System calls as a C program makes them: Python's own repeat after EINTR, or hide it.
CALLS = """
import ctypes, os, signal, sys, threading
signal.signal(signal.SIGINT, signal.SIG_DFL)
libc = ctypes.CDLL(None, use_errno=True)
def checked(result):
    if result < 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    return result
def create(path):
    return checked(libc.open(path.encode(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))
def write(path):
    file = create(path)
    checked(libc.write(file, b"content", 7))
    return file
def store(path):
    checked(libc.close(write(path)))
"""


def start(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", CALLS + code, *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, preexec_fn=as_from_a_terminal)


def as_from_a_terminal():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def set_faults(place, method, rule=None):
    request = urllib.request.Request(place.store.address() + "/-/control/faults", rule, method=method)
    urllib.request.urlopen(request, timeout=30).close()


@contextlib.contextmanager
def silence(place, operation):
    """Requests for keys that begin with "slow" meet silence; afterwards they pass, so that the mount can end."""
    rule = {"operations": [operation], "key_prefix": "slow", "kind": "stall", "stall_ms": STALL * 1000}
    set_faults(place, "POST", json.dumps(rule).encode())
    try:
        yield
    finally:
        set_faults(place, "DELETE")


def state_of(task):
    """S in a wait that any signal ends, D in one that a deadly signal ends at most."""
    with contextlib.suppress(OSError):
        return (pathlib.Path("/proc") / str(task) / "stat").read_text().rsplit(")", 1)[1].split()[0]
    return "gone"


def waits_for_an_answer(task):
    with contextlib.suppress(OSError):
        return "request_wait" in (pathlib.Path("/proc") / str(task) / "wchan").read_text()
    return False


def threads_that_wait(pid):
    with contextlib.suppress(OSError):
        return sum(waits_for_an_answer(f"{pid}/task/{thread}") for thread in os.listdir(f"/proc/{pid}/task"))
    return 0


def start_silently(*command):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ends_soon(*command):
    """Runs a command that must not wait. One that hangs is left behind."""
    process = start_silently(*command)
    try:
        assert process.wait(SOON) == 0, f"{command}: exit {process.returncode}"
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{command}: not within {SOON} s, while others wait for the store") from None


def ends_by(process, number):
    process.send_signal(number)
    try:
        assert process.wait(SOON) == -number, (process.returncode, process.stderr.read())
    except subprocess.TimeoutExpired:
        raise AssertionError(f"signal {number}: still there after {SOON} s") from None


def stores_20_files(place, disturbance):
    mount = place.mount("metadata_ttl=60")
    program = start(disturbance + """
for i in range(20):
    store(f"{sys.argv[1]}/f{i}")
os._exit(0)  # with its handlers in place
""", mount.path)
    assert program.wait(300) == 0, program.stderr.read()
    mount.unmount()
    forget_everything(place.folder)
    mount.start()
    assert [(mount.path / f"f{i}").read_text() for i in range(20)] == ["content"] * 20


def a_timer_does_not_end_close(place):
    place.serve("--latency", "60ms")
    stores_20_files(place, """
signal.signal(signal.SIGALRM, lambda *_: None)  # without SA_RESTART
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
""")


def signals_between_threads_do_not_end_close(place):
    """As the scheduler of Go sends them."""
    place.serve("--latency", "60ms")
    stores_20_files(place, """
signal.signal(signal.SIGURG, lambda *_: None)
signal.siginterrupt(signal.SIGURG, False)
def disturb(other=threading.get_ident(), pause=threading.Event()):
    while not pause.wait(0.005):
        signal.pthread_kill(other, signal.SIGURG)
threading.Thread(target=disturb, daemon=True).start()
""")


def a_program_that_waits_in_close(mount, name):
    program = start("""
signal.signal(signal.SIGUSR1, lambda *_: None)
file = write(sys.argv[1])
print("closing", flush=True)
checked(libc.close(file))
""", mount.path / name)
    assert program.stdout.readline() == "closing\n", program.stderr.read()
    await_true("the wait in close()", lambda: waits_for_an_answer(program.pid) or program.poll() is not None)
    return program


def deadly_signals_end_a_wait_at_once(place):
    mount = place.mount()
    with silence(place, "PutObject"):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL):
            ends_by(a_program_that_waits_in_close(mount, f"slow-{number}"), number)


def a_deadly_signal_ends_a_wait_that_another_did_not(place):
    mount = place.mount()
    with silence(place, "PutObject"):
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            program = a_program_that_waits_in_close(mount, f"slow-{number}")
            program.send_signal(signal.SIGUSR1)
            await_true("the signal to be taken", lambda: state_of(program.pid) == "D" or program.poll() is not None)
            assert program.poll() is None, program.stderr.read()
            ends_by(program, number)


def ctrl_c_ends_a_copy(place):
    mount = place.mount()
    (place.folder / "source").write_bytes(b"x" * 100_000)
    with silence(place, "PutObject"):
        copy = subprocess.Popen(["cp", place.folder / "source", mount.path / "slow"], stderr=subprocess.PIPE, text=True,
                                preexec_fn=as_from_a_terminal)
        await_true("the copy", lambda: (mount.path / "slow").exists() and waits_for_an_answer(copy.pid))
        ends_by(copy, signal.SIGINT)


def make_known(mount):
    """A file in the disk cache, but not in the kernel's."""
    known = mount.path / "known"
    if not known.exists():
        known.write_bytes(bytes(range(251)) * 4000)
    known.read_bytes()
    with open(known, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return known


def everything_else_is_answered(mount, known):
    ends_soon("stat", "-f", mount.path)
    ends_soon("stat", known)
    ends_soon("cat", known)


def closes_in_threads(mount, count):
    program = start("""
files = [write(f"{sys.argv[1]}/slow{i}") for i in range(int(sys.argv[2]))]
for file in files:
    threading.Thread(target=libc.close, args=(file,)).start()
""", mount.path, count)
    await_true(f"{count} waiting threads", lambda: threads_that_wait(program.pid) >= count)
    return program


def a_hundred_waiting_closes_keep_nothing_else_waiting(place):
    mount = place.mount("metadata_ttl=600")
    known = make_known(mount)
    with silence(place, "PutObject"):
        single = a_program_that_waits_in_close(mount, "slow-single")
        many = closes_in_threads(mount, 100)
        everything_else_is_answered(mount, known)
        ends_by(single, signal.SIGKILL)
        ends_by(many, signal.SIGKILL)


def a_hundred_waiting_reads_keep_nothing_else_waiting(place):
    mount = place.mount("metadata_ttl=600")
    known = make_known(mount)
    for i in range(100):
        (mount.path / f"slow{i}").write_bytes(b"x" * 300_000)
    mount.unmount()
    forget_everything(place.folder)
    mount.start()
    make_known(mount)
    with silence(place, "GetObject"):
        readers = [start_silently("cat", mount.path / f"slow{i}") for i in range(100)]
        await_true("100 waiting readers", lambda: all(state_of(reader.pid) == "D" for reader in readers))
        everything_else_is_answered(mount, known)
        for reader in readers:
            reader.kill()
        for reader in readers:
            assert reader.wait(SOON) == -signal.SIGKILL


def threads_that_wait_hold_little_memory(place):
    mount = place.mount()
    with silence(place, "PutObject"):
        before = harness.status_of(mount.worker(), "VmRSS")
        many = closes_in_threads(mount, 120)
        ends_soon("stat", "-f", mount.path)  # asked later than the others, which all wait by now
        ends_by(many, signal.SIGKILL)
        more = harness.status_of(mount.worker(), "VmHWM") - before  # the most there was
        assert more < 64 << 10, f"{more} KiB"


CASES = [a_timer_does_not_end_close, signals_between_threads_do_not_end_close, deadly_signals_end_a_wait_at_once,
         a_deadly_signal_ends_a_wait_that_another_did_not, ctrl_c_ends_a_copy,
         a_hundred_waiting_closes_keep_nothing_else_waiting, a_hundred_waiting_reads_keep_nothing_else_waiting,
         threads_that_wait_hold_little_memory]

if __name__ == "__main__":
    harness.main(CASES)
