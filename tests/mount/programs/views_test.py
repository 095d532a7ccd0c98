#!/usr/bin/env python3
"""What the kernel was told of names and files stays true, also after what failed in the middle."""
import errno

import harness
from ends_test import set_faults

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


if __name__ == "__main__":
    harness.main([a_file_whose_old_object_stays_is_two_files, a_directory_whose_old_objects_stay_is_two_directories])
