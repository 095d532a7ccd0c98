#!/usr/bin/env python3
"""Files that could not be stored: what mount says of them, and `pailfs recover`."""
import errno
import json
import os
import subprocess

import harness
from ends_test import BYTES, leave_pending, pailfs_umount
from harness import forget_everything, need, run, set_faults


def recover(place, *words):
    return run(place.binary, "recover", *words, "--state-dir", place.folder / "state")


def refusal(place, *words):
    command = [place.binary, "recover", *words, "--state-dir", place.folder / "state"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode != 0, done.stdout
    return done.stdout


def kept(place):
    return json.loads(recover(place, "list", "demo", "--json"))


def close_in_vain(file):
    try:
        os.close(file)
    except OSError as error:
        assert error.errno == errno.ESTALE, error
    else:
        raise AssertionError("close() of the loser worked")


def lose_a_race(place, mount, other):
    """Two mounts write one file; the later one's bytes are kept."""
    (mount.path / "dir").mkdir()
    path = mount.path / "dir/report.csv"
    file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o640)
    os.write(file, b"ours")
    (other.path / "dir/report.csv").write_text("theirs")
    close_in_vain(file)


def a_lost_file_is_listed_and_stored_under_another_name_beside_a_running_mount(place):
    mount, other = place.mount(), place.mount(name="other")
    lose_a_race(place, mount, other)
    [file] = kept(place)
    assert (file["why"], file["key"], file["size"]) == ("conflict", "dir/report.csv", 4), file
    assert "dir/report.csv" in recover(place, "list") and file["id"] in recover(place, "list", "demo")
    assert "conflict" in recover(place, "show", file["id"])
    store = ("-o", place.store.options())
    assert "--overwrite" in refusal(place, "store", file["id"], *store)
    recover(place, "store", file["id"], "--as", "dir/saved.csv", *store)
    assert kept(place) == []
    mount.unmount()
    mount.start()
    assert (mount.path / "dir/saved.csv").read_bytes() == b"ours"
    assert (mount.path / "dir/saved.csv").stat().st_mode & 0o777 == 0o640
    assert (mount.path / "dir/report.csv").read_text() == "theirs"


def left_half_written(place, content):
    """A mount that was killed while a file was open."""
    mount = place.mount()
    file = open(mount.path / "half", "wb", buffering=0)
    file.write(content)
    mount.abandon()
    subprocess.run(["umount", "-l", mount.path])
    return mount


def mount_says_what_an_earlier_one_left_and_it_is_stored_without_a_mount(place):
    mount = left_half_written(place, b"never closed")
    said = run(place.binary, "mount", "demo", mount.path, "-o", mount.options)
    assert "1 file (12 bytes)" in said and f"pailfs recover list --state-dir {place.folder}/state" in said, said
    run("umount", mount.path)
    [entry] = kept(place)
    assert (entry["why"], entry["key"]) == ("mount ended", "half"), entry
    recover(place, "export", entry["id"], place.folder / "copy")
    assert (place.folder / "copy").read_bytes() == b"never closed"
    recover(place, "store", entry["id"], "-o", f"credentials={place.store.folder}/credentials.json")
    assert kept(place) == []
    mount.start()
    assert (mount.path / "half").read_bytes() == b"never closed"
    assert not (mount.folder / "mount.log").read_text().count("pailfs recover")


def what_is_wrong_with_the_store_is_said_once_and_warnings_are_not_hidden(place):
    mount = place.mount()
    lose_a_race(place, mount, place.mount(name="other"))
    [file] = kept(place)
    words = ("store", file["id"], "--overwrite", "-o")
    with harness.store_with_another_clock() as url:
        said = refusal(place, *words, place.store.options().replace(place.store.address(), url))
        assert "warning: the local clock is 3" in said, said
    mount.unmount()
    place.store.stop()
    said = refusal(place, *words, place.store.options() + ",retries=2")
    assert said.count("Connection refused") == 1, said


# One name of each directory can be read, and no more.
FAILING_DISK = """
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
static DIR* failing;
int closedir(DIR* directory) {
  failing = 0;
  return ((int (*)(DIR*))dlsym(RTLD_NEXT, "closedir"))(directory);
}
struct dirent* readdir(DIR* directory) {
  if (directory == failing) return errno = EIO, (struct dirent*)0;
  struct dirent* entry = ((struct dirent* (*)(DIR*))dlsym(RTLD_NEXT, "readdir"))(directory);
  if (entry && entry->d_name[0] != '.') failing = directory;
  return entry;
}
"""


def on_a_failing_disk(place, *words):
    need("gcc")
    library = place.folder / "failing.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=FAILING_DISK, text=True, check=True)
    return subprocess.run([place.binary, *words], capture_output=True, text=True,
                          env={**os.environ, "LD_PRELOAD": str(library)})


def a_directory_that_cannot_be_read_to_its_end_is_named(place):
    (place.folder / "state/view").mkdir(parents=True)
    done = on_a_failing_disk(place, "recover", "list", "--state-dir", place.folder / "state")
    assert done.returncode == 2 and f"{place.folder}/state: Input/output error" in done.stderr, done


def what_cannot_be_read_of_the_records_of_mounts_ends_no_umount(place):
    place.mount()
    (place.folder / "other").mkdir()
    done = on_a_failing_disk(place, "umount", place.folder / "other")
    assert done.returncode == 1 and "nothing is mounted there" in done.stderr, done


def the_list_that_mount_names_holds_files_without_a_description(place):
    mount = left_half_written(place, b"never stored")
    place.mount_in_background()
    run("umount", mount.path)
    for description in (place.folder / "state").glob("*/descriptions/*"):
        description.unlink()
    said = place.mount_in_background()
    words = said.partition("pailfs recover ")[2].split()
    assert "no description" in run(place.binary, "recover", *words), said


def a_patch_whose_base_was_not_fetched_is_exported_but_not_stored(place):
    mount, other = place.mount(), place.mount(name="other")
    (mount.path / "big").write_bytes(bytes(range(256)) * 4096)
    mount.unmount()
    forget_everything(place.folder)
    other.unmount()
    mount.start()
    other.start()
    file = os.open(mount.path / "big", os.O_RDWR)
    os.pwrite(file, b"patch", 500_000)
    (other.path / "big").write_text("replaced")
    close_in_vain(file)
    [entry] = kept(place)
    assert entry["missing"] == [[0, 500_000], [500_005, 1 << 20]], entry["missing"]
    assert "not complete" in refusal(place, "store", entry["id"], "--as", "x", "-o", place.store.options())
    assert "bytes 0-499999" in recover(place, "export", entry["id"], place.folder / "copy")
    assert (place.folder / "copy").read_bytes()[500_000:500_005] == b"patch"
    recover(place, "drop", entry["id"])
    assert kept(place) == []


def what_an_ended_mount_could_not_store_is_listed_before_the_next_one(place):
    mount = place.mount()
    leave_pending(place, mount.path / "late")
    assert kept(place) == [] and "not looked at" in recover(place, "list")
    (mount.path / "late").exists()  # the mount was left alone
    assert pailfs_umount(place, mount.path).returncode != 0
    [entry] = kept(place)
    assert (entry["why"], entry["size"], "id" in entry) == ("not stored yet", len(BYTES), False), entry
    with open(entry["file"], "rb") as file:
        assert file.read() == BYTES
    said = recover(place, "list")
    assert entry["file"] in said and "not stored yet" in said and "next mount" in said, said
    set_faults(place)
    mount.start()
    [entry] = kept(place)
    assert (entry["why"], entry["key"]) == ("upload failed", "late"), entry


if __name__ == "__main__":
    harness.main([a_lost_file_is_listed_and_stored_under_another_name_beside_a_running_mount,
                  mount_says_what_an_earlier_one_left_and_it_is_stored_without_a_mount,
                  what_is_wrong_with_the_store_is_said_once_and_warnings_are_not_hidden,
                  a_directory_that_cannot_be_read_to_its_end_is_named,
                  what_cannot_be_read_of_the_records_of_mounts_ends_no_umount,
                  the_list_that_mount_names_holds_files_without_a_description,
                  a_patch_whose_base_was_not_fetched_is_exported_but_not_stored,
                  what_an_ended_mount_could_not_store_is_listed_before_the_next_one])
