#!/usr/bin/env python3
"""Files written by s3fs and read by pailfs, and the other way round: attributes, links, directories."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "mount/programs"))
import harness
from harness import need, run
from stores import Versitygw


@contextlib.contextmanager
def s3fs(place):
    """The bucket as s3fs mounts it; everything is stored when the block ends."""
    need("s3fs")
    folder = place.folder / "s3fs"
    folder.mkdir(exist_ok=True)
    keys = place.folder / "s3fs-passwd"
    keys.touch(0o600)
    keys.write_text(hmac_keys(place.store))
    log = open(place.folder / "s3fs.log", "a")
    process = subprocess.Popen(["s3fs", "demo", folder, "-f", "-o", f"url={place.store.address()},passwd_file={keys},"
                                "use_path_request_style,sigv4,endpoint=us-east-1,use_xattr,retries=2"],
                               stdout=log, stderr=log)
    try:
        harness.await_true("s3fs", lambda: os.path.ismount(folder) or process.poll() is not None)
        assert process.poll() is None, "s3fs does not mount"
        yield folder
    finally:
        run("umount", folder) if os.path.ismount(folder) else process.terminate()
        process.wait(60)
        log.close()


def hmac_keys(store):
    if isinstance(store, harness.Store):
        keys = json.loads((store.folder / "credentials.json").read_text())["cos_hmac_keys"]
        return f"{keys['access_key_id']}:{keys['secret_access_key']}\n"
    return store.keys.read_text()


def fill(folder):
    """One of each kind, with attributes that no default has."""
    (folder / "d/inner").mkdir(parents=True)
    (folder / "d/inner/file").write_bytes(bytes(i % 251 for i in range(70000)))
    (folder / "d/empty").touch()
    (folder / "large").write_bytes(b"0123456789abcdef" * (25 << 16))  # 25 MiB: several parts
    os.symlink("d/inner/file", folder / "link")
    os.symlink("/no/where/ü", folder / "broken")
    os.chmod(folder / "d/inner/file", 0o640)
    os.chown(folder / "d/inner/file", 1234, 2345)
    os.chmod(folder / "d/inner", 0o2750)
    os.chmod(folder / "d", 0o711)
    os.setxattr(folder / "d/inner/file", "user.note", b"kept\0whole")
    for name in ("d/inner/file", "d/empty", "large", "d/inner"):
        os.utime(folder / name, ns=(1_500_000_000_250_000_000, 1_400_000_000_750_000_000))


def seen(folder):
    """What a program sees of all that, in one value. Times in seconds: s3fs 1.90 shows no fractions of others."""
    found = {}
    for name in ("d", "d/inner", "d/inner/file", "d/empty", "large", "link", "broken"):
        status = os.lstat(folder / name)
        found[name] = [oct(status.st_mode), status.st_uid, status.st_gid]
        if os.path.islink(folder / name):
            found[name].append(os.readlink(folder / name))
        elif os.path.isfile(folder / name):
            found[name] += [status.st_size, int(status.st_mtime), hash((folder / name).read_bytes())]
    found["d/inner/file"].append(os.getxattr(folder / "d/inner/file", "user.note"))
    found["names"] = sorted(os.listdir(folder)), sorted(os.listdir(folder / "d"))
    return found


def what_s3fs_wrote_is_the_same_here(place):
    place.serve()
    with s3fs(place) as folder:
        fill(folder)
    with s3fs(place) as folder:
        expected = seen(folder)
    mount = place.mount()
    assert seen(mount.path) == expected, f"\n{seen(mount.path)}\n{expected}"


def what_is_written_here_is_the_same_in_s3fs(place):
    need("s3fs")
    mount = place.mount("metadata_ttl=0")
    fill(mount.path)
    expected = seen(mount.path)
    mount.unmount()
    with s3fs(place) as folder:
        assert seen(folder) == expected, f"\n{seen(folder)}\n{expected}"
        os.chmod(folder / "large", 0o600)
        os.rename(folder / "link", folder / "moved")
        with open(folder / "d/empty", "a") as file:
            file.write("no longer")
    mount.start()
    assert os.lstat(mount.path / "large").st_mode & 0o7777 == 0o600
    assert os.readlink(mount.path / "moved") == "d/inner/file"
    assert (mount.path / "d/empty").read_text() == "no longer"
    assert sorted(os.listdir(mount.path)) == ["broken", "d", "large", "moved"]


if __name__ == "__main__":
    harness.main([what_s3fs_wrote_is_the_same_here, what_is_written_here_is_the_same_in_s3fs],
                 [harness.Store, Versitygw])
