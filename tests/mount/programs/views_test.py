#!/usr/bin/env python3
"""What the kernel was told of names and files stays true, also after what failed in the middle."""
import errno
import os
import time

import harness
from ends_test import in_the_bucket
from harness import directories, set_faults

NO_DELETES = {"operations": ["DeleteObject", "DeleteObjects"], "status": 403, "code": "AccessDenied"}


def refused(change):
    try:
        change()
    except OSError as error:
        return error.errno
    return 0


def a_file_whose_old_object_stays_is_two_files(place):
    mount = place.mount("metadata_ttl=1")
    old, new = mount.path / "old", mount.path / "new"
    old.write_bytes(b"content")
    set_faults(place, NO_DELETES)
    assert refused(lambda: old.rename(new)) == errno.EACCES
    set_faults(place)
    old.write_bytes(b"changed under the old name")
    harness.await_true("the copy is shown", new.exists)
    assert new.read_bytes() == b"content"
    assert old.read_bytes() == b"changed under the old name"
    assert old.stat().st_ino != new.stat().st_ino


def a_directory_whose_old_objects_stay_is_two_directories(place):
    mount = place.mount("metadata_ttl=1")
    old, new = mount.path / "old", mount.path / "new"
    old.mkdir()
    (old / "file").write_bytes(b"content")
    set_faults(place, NO_DELETES)
    assert refused(lambda: old.rename(new)) == errno.EACCES
    set_faults(place)
    (old / "file").write_bytes(b"changed under the old name")
    (old / "more").write_bytes(b"made under the old name")
    harness.await_true("the copies are shown", new.exists)
    assert (new / "file").read_bytes() == b"content"
    assert sorted(entry.name for entry in new.iterdir()) == ["file"]
    assert (old / "file").read_bytes() == b"changed under the old name"
    assert old.stat().st_ino != new.stat().st_ino


def append(path, text):
    with open(path, "ab", buffering=0) as file:
        file.write(text)


def what_another_mount_appended_is_not_overwritten_nor_cut(place):
    """The kernel trusts the size of a file for longer than this mount trusts the listing that shows another one."""
    ttl = "metadata_ttl=8,"
    here = place.mount(ttl + directories(place.folder), name="here")
    there = place.mount(ttl + directories(place.folder, "-there"), name="there")
    for name in ("log", "read"):
        (here.path / name).mkdir()
    os.listdir(here.path / "log"), os.listdir(here.path / "read")
    time.sleep(5)
    for name in ("log", "read"):
        (here.path / name / "file").write_bytes(b"first, from here\n")
        (here.path / name / "file").stat()
    time.sleep(3.5)  # the listings are old, what the kernel knows of the files is not
    for name in ("log", "read"):
        os.listdir(there.path / name)
        append(there.path / name / "file", b"second, from there, and longer\n")
        os.listdir(here.path / name)
    both = b"first, from here\nsecond, from there, and longer\n"
    assert (here.path / "read" / "file").read_bytes() == both
    append(here.path / "log" / "file", b"third\n")
    assert in_the_bucket(place, "log/file") == both + b"third\n"


if __name__ == "__main__":
    harness.main([a_file_whose_old_object_stays_is_two_files, a_directory_whose_old_objects_stay_is_two_directories,
                  what_another_mount_appended_is_not_overwritten_nor_cut])
