#!/usr/bin/env python3
"""Memory, descriptors and errors under long and large work. PAILFS_ENDURANCE=full runs it at full size and length."""
import hashlib
import json
import os
import subprocess
import threading
import time

import harness
from harness import forget_everything, run, status_of

FULL = os.environ.get("PAILFS_ENDURANCE") == "full"
RSS_LIMIT_MIB = 320


class Watch(threading.Thread):
    """Peak resident memory and descriptors of the worker and supervisor of a mount."""

    def __init__(self, mount):
        super().__init__()
        self.mount, self.ended = mount, threading.Event()
        self.rss_mib = self.descriptors = 0

    def run(self):
        while not self.ended.wait(0.1):
            worker = self.mount.worker()
            if worker:
                rss = status_of(worker, "VmRSS") + status_of(self.mount.process.pid, "VmRSS")
                self.rss_mib = max(self.rss_mib, rss / 1024)
                self.descriptors = max(self.descriptors, len(os.listdir(f"/proc/{worker}/fd")))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        print(f"        RSS at most {self.rss_mib:.0f} MiB, {self.descriptors} descriptors")


def a_large_file_is_written_and_read_within_the_memory_budget(place):
    gib = 10 if FULL else 2
    mount = place.mount()
    with Watch(mount) as watch:
        expected = hashlib.sha256()
        with open(mount.path / "large", "wb") as file:
            for i in range(gib << 10):
                piece = i.to_bytes(8, "big") * (1 << 17)
                expected.update(piece)
                file.write(piece)
        mount.unmount()
        forget_everything(place.folder)
        mount.start()
        with open(mount.path / "large", "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == expected.hexdigest()
    assert watch.rss_mib < RSS_LIMIT_MIB


def a_directory_of_many_objects_is_listed_within_the_memory_budget(place):
    count = 200_000
    place.serve()
    folder = place.folder / "keys"
    fill(place.store, count, folder)
    mount = place.mount()
    with Watch(mount) as watch:
        names = os.listdir(mount.path / "many")
        assert len(names) == len(set(names)) == count
        with os.scandir(mount.path / "many") as entries:
            assert sum(1 for _ in entries) == count
    assert watch.rss_mib < RSS_LIMIT_MIB


def fill(store, count, folder):
    """Puts `count` empty objects below many/ with curl, which signs by itself."""

    keys = json.loads((store.folder / "credentials.json").read_text())["cos_hmac_keys"]
    folder.mkdir()
    requests = []
    for part in range(2):
        config = folder / f"curl{part}"
        with open(config, "w") as file:
            file.write(f'user = "{keys["access_key_id"]}:{keys["secret_access_key"]}"\n'
                       'aws-sigv4 = "aws:amz:us-south:s3"\nrequest = PUT\ndata = ""\nsilent\nfail\n'
                       'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"\n')
            file.writelines(f'url = "{store.address()}/demo/many/{i:07}"\noutput = /dev/null\n'
                            for i in range(part, count, 2))
        os.chmod(config, 0o600)
        requests.append(subprocess.Popen(["curl", "--parallel", "--parallel-max", "16", "-K", config],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    assert [request.wait(900) for request in requests] == [0, 0]


def sixteen_processes_work_on_their_own_files_without_error_or_growth(place):
    seconds = 600 if FULL else 45
    mount = place.mount()
    script = """
import os, random, sys, time
root, seed, end = sys.argv[1], int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
dice, files, rounds = random.Random(seed), {}, 0
os.mkdir(root)
while time.monotonic() < end:
    name = f"{root}/{dice.randrange(20)}"
    action = dice.random()
    if action < 0.4:
        data = dice.randbytes(dice.choice([100, 5000, 300_000, 3_000_000]))
        with open(name, "wb") as file: file.write(data)
        files[name] = data
    elif action < 0.9 and name in files:
        with open(name, "rb") as file: assert file.read() == files[name], name
    elif name in files:
        os.unlink(name)
        del files[name]
    rounds += 1
for name, data in files.items():
    with open(name, "rb") as file: assert file.read() == data, name
print(rounds)
"""
    with Watch(mount) as watch:
        processes = [subprocess.Popen(["python3", "-c", script, mount.path / f"p{i}", str(i), str(seconds)],
                                      stdout=subprocess.PIPE, text=True) for i in range(16)]
        time.sleep(seconds / 2)
        early = harness.status_of(mount.worker(), "VmRSS") / 1024, len(os.listdir(f"/proc/{mount.worker()}/fd"))
        rounds = [process.communicate(timeout=seconds + 300)[0] for process in processes]
        assert all(process.returncode == 0 for process in processes)
        time.sleep(2)
        late = harness.status_of(mount.worker(), "VmRSS") / 1024, len(os.listdir(f"/proc/{mount.worker()}/fd"))
    print(f"        {sum(map(int, rounds))} operations; RSS {early[0]:.0f} then {late[0]:.0f} MiB, "
          f"descriptors {early[1]} then {late[1]}")
    assert watch.rss_mib < RSS_LIMIT_MIB
    assert late[0] < early[0] + 64 and late[1] < early[1] + 64


if __name__ == "__main__":
    harness.main([a_large_file_is_written_and_read_within_the_memory_budget,
                  a_directory_of_many_objects_is_listed_within_the_memory_budget,
                  sixteen_processes_work_on_their_own_files_without_error_or_growth])
