"""A store and a mount for a test, as a user would start them, and the runner of the cases."""
import contextlib
import ctypes
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

LOG_LEVEL = os.environ.get("PAILFS_LOG_LEVEL", "info")

def run(*command, **options):
    """Runs a command that must succeed; its output in one text."""
    options.setdefault("timeout", 600)
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-3000:]}"
    return done.stdout


def await_true(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for: {what}"
        time.sleep(0.02)


def parent_of(pid):
    with contextlib.suppress(OSError):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return 0


def children_of(pid):
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent_of(int(entry)) == pid]


def status_of(pid, field):
    match = re.search(rf"^{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(match.group(1))


class Store:
    """`pailfs serve` on a free port. Other stores offer the same: name, address(), options(), alive() and stop()."""
    name = "pailfs serve"

    def __init__(self, binary, folder, *options):
        self.folder = folder / "store"
        self.log = open(folder / "store.log", "w+")
        self.process = subprocess.Popen([binary, "serve", self.folder, "--listen", "127.0.0.1:0", "--bucket", "demo",
                                         *options], stdout=self.log, stderr=subprocess.STDOUT)
        await_true("the store", lambda: self.address() is not None)

    def address(self):
        match = re.search(r"(https?://[\d.:]+)", pathlib.Path(self.log.name).read_text())
        return match and match.group(1)

    def options(self):
        """What a mount needs to reach it, for -o."""
        return f"url={self.address()},credentials={self.folder}/credentials.json"

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


class _AnotherClock(http.server.BaseHTTPRequestHandler):
    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + 3600)

    def refuse(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b"<Error><Code>RequestTimeTooSkewed</Code><Message>too late</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = refuse

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def store_with_another_clock():
    """The url of a store that is an hour ahead of this machine and refuses whatever that signs."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _AnotherClock) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def directories(folder, name=""):
    """The options that keep a mount's local state in the folder of its case."""
    return f"state_dir={folder}/state{name},cache_dir={folder}/cache{name}"


def forget_everything(folder):
    """What mounts that have ended know of their buckets."""
    for name in ("state", "cache"):
        shutil.rmtree(folder / name)


class Mount:
    """`pailfs mount` in the foreground: its process is the supervisor, its child the worker."""

    def __init__(self, binary, folder, store, options="", bucket="demo", name="mnt"):
        self.path = folder / name
        self.folder, self.binary, self.store, self.bucket = folder, binary, store, bucket
        self.options = f"{store.options()},{directories(folder)},log_level={LOG_LEVEL}" + \
                       (f",{options}" if options else "")
        self.start()

    def start(self):
        with contextlib.suppress(OSError):
            self.path.mkdir(exist_ok=True)
        self.log = open(self.folder / "mount.log", "a")
        self.process = subprocess.Popen([self.binary, "mount", self.bucket, self.path, "-f", "-o", self.options],
                                        stdout=self.log, stderr=self.log)
        await_true("the mount", lambda: self.answers() and self.process.poll() is None)

    def answers(self):
        try:
            return os.path.ismount(self.path) and os.statvfs(self.path).f_blocks > 0
        except OSError:  # a dead mount point is one, too
            return False

    def worker(self):
        children = [pid for pid in children_of(self.process.pid) if pid != os.getpid()]
        return children[0] if children else None

    def kill_worker(self):
        worker = self.worker()
        if worker:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        return worker

    def unmount(self):
        if self.process.poll() is None:
            run("umount", self.path)
            self.process.wait(120)
        self.log.close()

    def abandon(self):
        """Ends everything by force; what is left is a dead mount point."""
        worker = self.worker()
        for pid in (self.process.pid, worker):
            with contextlib.suppress(ProcessLookupError, TypeError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        await_true("the worker's end", lambda: not worker or not os.path.exists(f"/proc/{worker}"))
        self.log.close()


def set_faults(place, *rules):
    """These faults of the store and no others."""
    url = f"{place.store.address()}/-/control/faults"
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=30).read()
    for rule in rules:
        urllib.request.urlopen(url, data=json.dumps(rule).encode(), timeout=30).read()


class Place:
    """The folder, store and mount of one case."""

    def __init__(self, binary, kind=Store):
        self.binary, self.kind = pathlib.Path(binary).resolve(), kind
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pailfs-mount-"))
        self.store, self.mounts = None, []
        self.in_background = []  # mount points

    def serve(self, *options):
        self.store = self.kind(self.binary, self.folder, *options)
        return self.store

    def mount(self, options="", **more):
        if self.store is None:
            self.serve()
        self.mounts.append(Mount(self.binary, self.folder, self.store, options, **more))
        return self.mounts[-1]

    def mount_in_background(self, name="mnt", options=""):
        """`pailfs mount` as users call it; returns what it said."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        self.in_background.append(path)
        options = f"{self.store.options()},{directories(self.folder)}" + (f",{options}" if options else "")
        return run(self.binary, "mount", "demo", path, "-o", options)

    def clean_up(self):
        for path in self.in_background:
            subprocess.run(["umount", "-l", "-i", path], stderr=subprocess.DEVNULL)
        for mount in self.mounts:
            subprocess.run(["umount", "-l", mount.path], stderr=subprocess.DEVNULL)
            if mount.process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    mount.process.wait(20)
            if mount.process.poll() is None:
                mount.abandon()
        if self.store:
            self.store.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def show_logs(self):
        for log in self.folder.glob("*.log"):
            print(f"--- the end of {log.name} ---\n" + "\n".join(log.read_text().splitlines()[-25:]))


class Skip(Exception):
    """A case that cannot run here, and why."""


def need(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")


def main(cases, kinds=(Store,)):
    """Runs the cases, functions of a Place, named by what they claim, on each kind of store. The last line counts."""
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PAILFS [PART OF A NAME]")
    wanted = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("GTEST_FILTER", "").strip("*")
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        print("SKIPPED: mounting needs root and /dev/fuse")
        print(f"0 passed, 0 failed, {len(cases) * len(kinds)} skipped")
        return
    outcomes = []
    for kind in kinds:
        for case in cases:
            name = case.__name__ + (f" on {kind.name}" if len(kinds) > 1 else "")
            if wanted in name:
                outcomes.append(run_case(case, kind, name))
    print(", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in ("passed", "failed", "skipped")))
    sys.exit(1 if "failed" in outcomes else 0)


def run_case(case, kind, name):
    place, begin = Place(sys.argv[1], kind), time.monotonic()
    try:
        case(place)
        print(f"ok      {name} ({time.monotonic() - begin:.1f} s)", flush=True)
        return "passed"
    except Skip as why:
        print(f"SKIPPED: {name}: {why}", flush=True)
        return "skipped"
    except Exception:
        print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        place.show_logs()
        return "failed"
    finally:
        place.clean_up()


def write_tree(folder, directories, files, size, seed=1):
    """Directories of files with bytes that repeat every 251: one in the wrong place shows."""
    for d in range(directories):
        (folder / f"d{d}").mkdir(parents=True)
        for f in range(files):
            start = (d * files + f) * 7 + seed
            length = size + (d * 31 + f * 17) % (size or 1)
            (folder / f"d{d}" / f"f{f}").write_bytes(bytes((start + i) % 251 for i in range(length)))


def git_repository(folder, files=1000):
    need("git")
    write_tree(folder, files // 50, 50, 900)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "gc.auto=0"]
    run("git", "init", "-q", folder)
    run("git", "-C", folder, "add", "-A")
    run("git", "-C", folder, *identity, "commit", "-qm", "all")
