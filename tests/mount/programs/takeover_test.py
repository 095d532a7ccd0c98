#!/usr/bin/env python3
"""Directories that version 0.1.0 left (takeover_fixtures.py): a mount takes them over and loses no byte."""
import json
import shutil
import stat
import subprocess
import tarfile

import harness
from harness import await_true, run
from takeover_fixtures import ARCHIVES, BASE, LARGE
from recover_test import kept, recover


class Left:
    """What one archive holds, with its bucket served and its directory in the place where the mount looks for it."""

    def __init__(self, place, name):
        self.place, self.folder = place, place.folder / "archive"
        with tarfile.open(ARCHIVES / f"{name}.tar.xz") as archive:
            archive.extractall(self.folder)
        self.numbers = json.loads((self.folder / "facts.json").read_text())
        self.mount = place.mount("metadata_ttl=1")
        shutil.copytree(self.folder / "bucket", self.mount.path, symlinks=True, dirs_exist_ok=True)
        self.mount.unmount()
        self.view, = (place.folder / "cache").iterdir()
        shutil.rmtree(place.folder / "state")
        shutil.rmtree(self.view)
        shutil.move(self.folder / "VIEW", self.view)

    def start(self):
        self.mount.start()
        return self.mount

    def state(self):
        return self.place.folder / "state" / self.view.name

    def check_bucket(self, path=None):
        """Everything that was in the bucket is shown, with its content."""
        for file in (self.folder / "bucket").rglob("*"):
            shown = (path or self.mount.path) / file.relative_to(self.folder / "bucket")
            assert stat.S_IFMT(shown.lstat().st_mode) == stat.S_IFMT(file.lstat().st_mode), shown
            if file.is_file() and not file.is_symlink():
                assert shown.read_bytes() == file.read_bytes(), shown
                assert stat.S_IMODE(shown.stat().st_mode) == stat.S_IMODE(file.stat().st_mode), shown


def one_that_was_closed_in_order_is_taken_over_with_its_inode_numbers(place):
    left = Left(place, "clean")
    mount = left.start()
    left.check_bucket()
    numbers = {name: (mount.path / name).lstat().st_ino for name in left.numbers}
    assert numbers == left.numbers, numbers
    assert not (left.view / "staging").exists() and (left.view / "CACHEDIR.TAG").exists()
    mount.unmount()
    mount.start()  # what is taken over is opened as any other
    left.check_bucket()
    assert kept(place) == []


def staged_bytes_of_a_killed_mount_are_kept(place):
    left = Left(place, "staged")
    before = json.loads(run(place.binary, "recover", "list", "--json", "--cache-dir", place.folder / "cache"))
    assert [file["why"] for file in before] == ["not stored yet"] * 2, before
    left.start()
    left.check_bucket()
    files = {file["key"]: file for file in kept(place)}
    assert set(files) == {"dir/new", "dir/sub/base"}, files
    recover(place, "export", files["dir/new"]["id"], place.folder / "new")
    assert (place.folder / "new").read_bytes() == b"never closed"
    recover(place, "export", files["dir/sub/base"]["id"], place.folder / "base")
    patched = (place.folder / "base").read_bytes()
    assert patched[1_000_000:1_000_021] == b"patched, never closed" and len(patched) == len(BASE)
    recover(place, "store", files["dir/new"]["id"], "-o", place.store.options())
    await_true("the stored file", lambda: (left.mount.path / "dir/new").exists())


def the_bytes_of_an_upload_that_had_begun_are_kept(place):
    left = Left(place, "upload")
    left.start()
    left.check_bucket()
    file, = kept(place)
    assert (file["key"], file["size"]) == ("dir/large", len(LARGE)), file
    recover(place, "store", file["id"], "-o", place.store.options())
    await_true("the stored file", lambda: (left.mount.path / "dir/large").exists())
    assert (left.mount.path / "dir/large").read_bytes() == LARGE


def half_a_rename_loses_no_file(place):
    left = Left(place, "rename")
    mount = left.start()
    there = {path.name: path.read_text() for folder in ("dir", "renamed") for path in (mount.path / folder).glob("f*")}
    assert there == {f"f{number}": f"content {number}" for number in range(30)}, there
    assert BASE in [path.read_bytes() for path in mount.path.glob("*/sub/base")]


def a_damaged_one_is_set_aside_and_its_bytes_are_kept(place):
    left = Left(place, "damaged")
    left.start()
    left.check_bucket()
    assert list((left.state() / "names").glob("damaged-*.mdb"))
    files = kept_of_any_bucket(place)
    assert sorted(file["size"] for file in files) == [len(b"never closed"), len(BASE)], files


def kept_of_any_bucket(place):
    return json.loads(recover(place, "list", "--json"))


def a_mount_without_room_for_it_says_so_and_leaves_it(place):
    left = Left(place, "upload")
    (left.view / "staging/1000000").write_bytes(b"a small one, which has room")
    disk = place.folder / "state"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=20m,mode=0700", "tmpfs", disk)
    try:
        command = [place.binary, "mount", "demo", left.mount.path, "-o", left.mount.options]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        assert done.returncode != 0 and "No space left" in done.stdout and "state_dir" in done.stdout, done.stdout
        view, = disk.iterdir()
        assert [entry.name for entry in view.iterdir()] == ["mount.lock"], list(view.iterdir())
    finally:
        run("umount", disk)
    assert sum(file.stat().st_size for file in (left.view / "staging").iterdir()) >= len(LARGE)
    (left.view / "staging/1000000").unlink()
    left.start()
    file, = kept(place)
    assert file["size"] == len(LARGE), file


if __name__ == "__main__":
    harness.main([one_that_was_closed_in_order_is_taken_over_with_its_inode_numbers,
                  staged_bytes_of_a_killed_mount_are_kept, the_bytes_of_an_upload_that_had_begun_are_kept, half_a_rename_loses_no_file,
                  a_damaged_one_is_set_aside_and_its_bytes_are_kept, a_mount_without_room_for_it_says_so_and_leaves_it])
