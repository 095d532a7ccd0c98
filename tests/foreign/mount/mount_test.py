#!/usr/bin/env python3
"""The programs of tests/mount/programs on mounts of stores that nobody here wrote."""
import errno
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "mount/programs"))
import harness
import kill_drill_test as kill_drill
import programs_test as programs
from harness import Skip, directories, forget_everything
from stores import Moto, Versitygw


def a_512_mib_file_comes_back_the_same(place):
    programs.large_file(place, 512)


def names_of_all_kinds_are_kept(place):
    # Neither store keeps keys with control characters: docs/client-library.md.
    programs.odd_names(place, [name for name in programs.ODD_NAMES if name.isprintable()])


def name_operations_match_a_model(place):
    kill_drill.name_operations_match_a_model(place, kills=5)


def a_large_file_keeps_bytes_and_attributes_when_it_is_renamed(place):
    mount = place.mount()
    (mount.path / "old").mkdir()
    content = bytearray(bytes(i % 251 for i in range(251 << 10)) * 240)  # 59 MiB: several parts
    (mount.path / "old/large").write_bytes(content)
    os.chmod(mount.path / "old/large", 0o600)
    os.chown(mount.path / "old/large", 12, 13)
    os.rename(mount.path / "old/large", mount.path / "old/moved")
    os.rename(mount.path / "old", mount.path / "new")
    with open(mount.path / "new/moved", "r+b") as file:
        file.seek(30 << 20)
        file.write(b"changed")
    content[30 << 20:(30 << 20) + 7] = b"changed"
    mount.unmount()
    forget_everything(place.folder)
    mount.start()
    assert (mount.path / "new/moved").read_bytes() == content
    status = os.stat(mount.path / "new/moved")
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o600, 12, 13)


def a_file_that_another_mount_replaced_is_not_overwritten(place):
    if not place.kind.checks_if_match:
        raise Skip("the store ignores If-Match on PUT: the last writer wins there")
    ours = place.mount()
    theirs = place.mount(directories(place.folder, "-of-theirs"), name="theirs")
    (ours.path / "file").write_text("first")
    file = open(ours.path / "file", "r+")
    file.write("ours!")
    file.flush()
    (theirs.path / "file").write_text("theirs")
    try:
        file.close()
        raise AssertionError("close() returned 0")
    except OSError as error:
        assert error.errno == errno.ESTALE, error
    assert (theirs.path / "file").read_text() == "theirs"


def a_file_without_an_etag_is_refused_and_the_log_says_why(place):
    if not hasattr(place.kind, "put_beside"):
        raise Skip("every object of this store has an ETag")
    mount = place.mount()
    place.store.put_beside("file", b"put into the server's directory")
    try:
        (mount.path / "file").read_bytes()
        raise AssertionError("it was read")
    except OSError as error:
        assert error.errno == errno.EBADMSG, error
    assert "has no ETag" in (place.folder / "mount.log").read_text()


if __name__ == "__main__":
    harness.main([programs.a_git_clone_of_1000_files_is_whole, programs.tar_extracts_byte_for_byte,
                  programs.a_second_rsync_transfers_nothing, programs.an_sqlite_database_is_filled_and_checked,
                  programs.an_editor_saves_over_the_old_file, a_512_mib_file_comes_back_the_same,
                  programs.everything_closed_survives_every_end,
                  programs.an_open_file_is_stored_when_the_mount_is_told_to_end,
                  kill_drill.what_was_closed_is_there_after_the_supervisor_dies_too, names_of_all_kinds_are_kept,
                  programs.a_renamed_directory_takes_everything_along,
                  programs.a_directory_of_several_pages_is_listed_whole, name_operations_match_a_model,
                  a_large_file_keeps_bytes_and_attributes_when_it_is_renamed,
                  a_file_that_another_mount_replaced_is_not_overwritten,
                  a_file_without_an_etag_is_refused_and_the_log_says_why,
                  programs.locks_and_shared_mappings_work_between_processes], [Versitygw, Moto])
