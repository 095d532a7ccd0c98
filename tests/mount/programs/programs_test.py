#!/usr/bin/env python3
"""Programs that know nothing of buckets, on a mount, and what they wrote after it ended in every way it can."""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess

import harness
from harness import forget_everything, need, run


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def a_git_clone_of_1000_files_is_whole(place):
    mount = place.mount()
    harness.git_repository(place.folder / "source")
    run("git", "clone", "-q", place.folder / "source", mount.path / "clone")
    run("git", "-C", mount.path / "clone", "fsck", "--full")
    assert run("git", "-C", mount.path / "clone", "status", "--porcelain") == ""


def a_redirection_of_a_shell_and_a_touch_are_one_put_each(place):
    log = place.folder / "requests.json"
    place.serve("--access-log", log)
    mount = place.mount()

    def stored(command):
        before = log.read_text().count("\n")
        run("sh", "-c", command, cwd=mount.path)
        asked = [json.loads(line)["operation"] for line in log.read_text().splitlines()[before:]]
        return [name for name in asked if name in ("PutObject", "CopyObject")]

    # The first new file and the first that is replaced prove that the store keeps to conditions.
    assert stored("echo x > known") == ["PutObject"] * 2
    assert stored("echo longer > known") == ["PutObject"] * 2
    assert stored("echo x > f") == ["PutObject"]
    assert stored("echo longer > f") == ["PutObject"]
    assert stored("cat f > g") == ["PutObject"]
    assert stored("touch h") == ["PutObject"]
    assert (mount.path / "f").read_text() == "longer\n"


def what_the_store_can_is_learnt_once_and_known_to_the_next_mount(place):
    log = place.folder / "requests.json"
    place.serve("--access-log", log)
    puts = []
    for name in ("first", "second"):
        mount = place.mount()
        before = log.read_text().count("PutObject")
        (mount.path / name).write_text("content")
        mount.unmount()
        puts.append(log.read_text().count("PutObject") - before)
    assert puts == [2, 1], puts


def tar_extracts_byte_for_byte(place):
    mount = place.mount()
    harness.write_tree(place.folder / "source", 10, 30, 2000)
    os.symlink("d0/f0", place.folder / "source/link")
    os.chmod(place.folder / "source/d1/f1", 0o750)
    run("tar", "-C", place.folder, "-cf", place.folder / "all.tar", "source")
    run("tar", "-C", mount.path, "-xf", place.folder / "all.tar")
    run("diff", "-r", "--no-dereference", place.folder / "source", mount.path / "source")
    differences = run("tar", "-C", mount.path, "-df", place.folder / "all.tar")
    assert differences == "", differences  # times, owners and modes, too


def a_second_rsync_transfers_nothing(place):
    need("rsync")
    mount = place.mount()
    harness.write_tree(place.folder / "source", 5, 30, 2000)
    run("rsync", "-a", f"{place.folder}/source/", f"{mount.path}/copy/")
    assert run("rsync", "-ai", f"{place.folder}/source/", f"{mount.path}/copy/") == ""
    mount.unmount()
    mount.start()
    assert run("rsync", "-ai", f"{place.folder}/source/", f"{mount.path}/copy/") == ""
    run("diff", "-r", place.folder / "source", mount.path / "copy")


def an_sqlite_database_is_filled_and_checked(place):
    mount = place.mount()
    file = mount.path / "data.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("create table t(number integer primary key, text)")
        database.executemany("insert into t(text) values(?)", ((str(i) * 20,) for i in range(5000)))
        database.commit()
        database.execute("delete from t where number % 7 = 0")
        database.commit()
    mount.unmount()
    mount.start()
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        assert database.execute("select count(*) from t").fetchone() == (4286,)


def an_editor_saves_over_the_old_file(place):
    mount = place.mount()
    notes = mount.path / "notes.txt"
    notes.write_text("old\n")
    for round_ in range(5):
        (mount.path / ".notes.txt.tmp").write_text(f"new {round_}\n")
        os.rename(mount.path / ".notes.txt.tmp", notes)
        assert notes.read_text() == f"new {round_}\n"
    if editor := shutil.which("vim") or shutil.which("vim.tiny"):
        run(editor, "-es", "-u", "NONE", "-c", "normal oadded", "-c", "wq", notes, stdin=subprocess.DEVNULL)
        assert notes.read_text() == "new 4\nadded\n"
    run("sed", "-i", "s/new/newer/", notes)
    assert notes.read_text().startswith("newer 4\n")
    assert sorted(os.listdir(mount.path)) == ["notes.txt"]


def large_file(place, mebibytes):
    mount = place.mount()
    expected = hashlib.sha256()
    with open(mount.path / "large", "wb") as file:
        for i in range(mebibytes):
            piece = i.to_bytes(8, "big") * (1 << 17)
            expected.update(piece)
            file.write(piece)
    mount.unmount()
    mount.start()
    assert digest(mount.path / "large") == expected.hexdigest()


def a_3_gib_file_comes_back_the_same(place):
    large_file(place, 3072)


def a_renamed_directory_takes_everything_along(place):
    mount = place.mount()
    harness.write_tree(mount.path / "old", 4, 20, 3000)
    for name in ("d0-1", "d0.1", "d00"):  # sort around "d0/"
        (mount.path / "old" / name).write_text(name)
    os.mkdir(mount.path / "old/empty")
    os.symlink("d0/f0", mount.path / "old/link")
    os.chmod(mount.path / "old/d1/f1", 0o640)
    stamp_directories(mount.path / "old")
    listing = ["tar", "--sort=name", "-cf", "-"]
    expected = run(*listing, "-C", mount.path / "old", ".", errors="replace")
    os.rename(mount.path / "old", mount.path / "new")
    assert os.listdir(mount.path) == ["new"]
    assert run(*listing, "-C", mount.path / "new", ".", errors="replace") == expected
    mount.unmount()
    forget_everything(place.folder)
    mount.start()
    assert os.listdir(mount.path) == ["new"]
    assert run(*listing, "-C", mount.path / "new", ".", errors="replace") == expected
    shutil.rmtree(mount.path / "new")
    assert os.listdir(mount.path) == []


def stamp_directories(folder):
    """Stores their times: those that follow from changed names are known to one machine only (docs/semantics.md)."""
    for directory, _, _ in os.walk(folder):
        os.utime(directory, (1_500_000_000, 1_600_000_000))


def tree_of(mount):
    return run("tar", "-C", mount.path, "--sort=name", "-cf", "-", "tree", errors="replace")


def everything_closed_survives_every_end(place):
    mount = place.mount()
    harness.write_tree(mount.path / "tree", 3, 10, 5000)
    stamp_directories(mount.path / "tree")
    expected = tree_of(mount)
    mount.unmount()
    mount.start()
    assert tree_of(mount) == expected
    mount.kill_worker()
    assert tree_of(mount) == expected
    mount.abandon()
    mount.start()  # repairs the dead mount point
    assert tree_of(mount) == expected
    mount.process.send_signal(signal.SIGTERM)
    assert mount.process.wait(60) == 0
    forget_everything(place.folder)
    mount.start()
    assert tree_of(mount) == expected


def an_open_file_is_stored_when_the_mount_is_told_to_end(place):
    mount = place.mount()
    file = open(mount.path / "open", "wb", buffering=0)
    file.write(b"not closed")
    mount.process.send_signal(signal.SIGTERM)
    assert mount.process.wait(60) == 0
    with contextlib.suppress(OSError):  # the mount is gone
        file.close()
    mount.start()
    assert (mount.path / "open").read_bytes() == b"not closed"


ODD_NAMES = ["space name", "new\nline", "percent%41", "plus+and&", "back\\slash", ".dot", "ümlaut", "a" * 255, "#hash?q",
             "quote'\"", "semi;colon", "tab\there", "star*", "<tag>&amp;", "trailing ", " leading"]


def odd_names(place, names):
    mount = place.mount()
    for name in names:
        (mount.path / name).write_text(name)
    mount.unmount()
    forget_everything(place.folder)
    mount.start()
    assert sorted(os.listdir(mount.path)) == sorted(names)
    for name in names:
        assert (mount.path / name).read_text() == name
        os.rename(mount.path / name, mount.path / "moved")
        (mount.path / "moved").unlink()
    assert os.listdir(mount.path) == []


def names_of_all_kinds_are_kept(place):
    odd_names(place, ODD_NAMES)


def a_directory_of_several_pages_is_listed_whole(place):
    mount = place.mount()
    folder = mount.path / "many"
    names = [f"{number:04}" for number in range(1100)] + ["0500.d", "0500-d"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "0500d").mkdir()
    (folder / "0500d/below").touch()
    mount.unmount()
    forget_everything(place.folder)
    mount.start()
    assert sorted(os.listdir(folder)) == sorted(names + ["0500d"])
    shutil.rmtree(folder)
    assert os.listdir(mount.path) == []


def locks_and_shared_mappings_work_between_processes(place):
    mount = place.mount()
    file = mount.path / "shared"
    file.write_bytes(bytes(8192))
    script = ("import fcntl, mmap, sys\n"
              "for _ in range(200):\n"
              "  f = open(sys.argv[1], 'r+b'); fcntl.flock(f, fcntl.LOCK_EX)\n"
              "  m = mmap.mmap(f.fileno(), 8192); n = int.from_bytes(m[:8], 'big') + 1\n"
              "  m[:8] = n.to_bytes(8, 'big'); m.flush(); m.close(); f.close()\n")
    processes = [subprocess.Popen(["python3", "-c", script, file]) for _ in range(3)]
    assert [process.wait(300) for process in processes] == [0, 0, 0]
    assert int.from_bytes(file.read_bytes()[:8], "big") == 600


if __name__ == "__main__":
    harness.main([a_git_clone_of_1000_files_is_whole, a_redirection_of_a_shell_and_a_touch_are_one_put_each,
                  what_the_store_can_is_learnt_once_and_known_to_the_next_mount, tar_extracts_byte_for_byte,
                  a_second_rsync_transfers_nothing,
                  an_sqlite_database_is_filled_and_checked, an_editor_saves_over_the_old_file,
                  a_3_gib_file_comes_back_the_same, a_renamed_directory_takes_everything_along,
                  everything_closed_survives_every_end, an_open_file_is_stored_when_the_mount_is_told_to_end,
                  names_of_all_kinds_are_kept, a_directory_of_several_pages_is_listed_whole,
                  locks_and_shared_mappings_work_between_processes])
