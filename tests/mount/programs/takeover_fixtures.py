#!/usr/bin/env python3
"""Makes the archives in of_0.1.0/: directories that version 0.1.0 left, and what its bucket then held.

    takeover_fixtures.py PAILFS-0.1.0

Each archive holds VIEW/, the directory below cache_dir, bucket/, the objects as files, and facts.json: the inode numbers
by path. takeover_test.py mounts them with the pailfs of today.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

from harness import Store, await_true, children_of

ARCHIVES = pathlib.Path(__file__).resolve().parent / "of_0.1.0"
LARGE = b"a part of a large file\n" * 2_000_000  # 46 MB: an upload in several parts
BASE = bytes(range(256)) * 8192                   # 2 MiB


class OldMount:
    def __init__(self, binary, folder, store, name="mnt", cache="cache"):
        self.path = folder / name
        self.path.mkdir(exist_ok=True)
        self.process = subprocess.Popen([binary, "mount", "demo", self.path, "-f", "-o",
                                         f"{store.options()},cache_dir={folder}/{cache}"])
        await_true("the mount", lambda: os.path.ismount(self.path) and os.statvfs(self.path).f_blocks > 0)

    def unmount(self):
        subprocess.run(["umount", self.path], check=True)
        self.process.wait(120)

    def kill(self):
        for pid in [self.process.pid, *children_of(self.process.pid)]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        subprocess.run(["umount", "-l", self.path], check=True)


def fill(mount):
    (mount.path / "dir/sub").mkdir(parents=True)
    for number in range(30):
        path = mount.path / f"dir/f{number}"
        path.write_text(f"content {number}")
        path.chmod(0o600 + number % 8)
    (mount.path / "dir/sub/base").write_bytes(BASE)
    os.symlink("f1", mount.path / "dir/link")
    for path in mount.path.rglob("*"):
        path.lstat()


def clean(mount):
    mount.unmount()


def staged(mount):
    new = os.open(mount.path / "dir/new", os.O_CREAT | os.O_WRONLY)
    os.write(new, b"never closed")
    base = os.open(mount.path / "dir/sub/base", os.O_RDWR)
    os.pwrite(base, b"patched, never closed", 1_000_000)
    mount.kill()  # with both open


def in_background(action):
    def run():
        try:
            action()
        except OSError:
            pass
    threading.Thread(target=run, daemon=True).start()


def upload(mount):
    in_background(lambda: (mount.path / "dir/large").write_bytes(LARGE))
    index = next(mount.path.parent.glob("cache/*/staging"))
    await_true("all bytes", lambda: sum(file.stat().st_size for file in index.iterdir()) >= len(LARGE))
    time.sleep(2)  # parts of it are on their way
    mount.kill()


def rename(mount):
    in_background(lambda: os.rename(mount.path / "dir", mount.path / "renamed"))
    time.sleep(0.5)  # the list and some of 33 copies, at 100 ms each and several at a time
    mount.kill()


def damaged(mount):
    staged(mount)
    index, = mount.path.parent.glob("cache/*/index/data.mdb")
    content = bytearray(index.read_bytes())
    chance = random.Random(1)
    for page in range(2, len(content) // 4096, 2):
        content[page * 4096:(page + 1) * 4096] = chance.randbytes(4096)
    index.write_bytes(content)


def make(binary, case, *options):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        store = Store(binary, folder, *options)
        mount = OldMount(binary, folder, store)
        fill(mount)
        numbers = {str(path.relative_to(mount.path)): path.lstat().st_ino for path in mount.path.rglob("*")}
        case(mount)
        cache, = (folder / "cache").iterdir()
        shutil.move(cache, folder / "VIEW")
        subprocess.run(["fallocate", "-d", folder / "VIEW/index/data.mdb"], check=True)
        look = OldMount(binary, folder, store, "look", "another-cache")
        shutil.copytree(look.path, folder / "bucket", symlinks=True)
        look.unmount()
        store.stop()
        (folder / "facts.json").write_text(json.dumps(numbers, indent=1, sort_keys=True))
        with tarfile.open(ARCHIVES / f"{case.__name__}.tar.xz", "w:xz") as archive:
            for part in ("VIEW", "bucket", "facts.json"):
                archive.add(folder / part, part)


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    make(binary, clean)
    make(binary, staged)
    make(binary, upload, "--bandwidth", "4MB")
    make(binary, rename, "--latency", "100ms")
    make(binary, damaged)


if __name__ == "__main__":
    main()
