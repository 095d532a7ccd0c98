#!/usr/bin/env python3
"""Sequential writing and reading of one large file, as ratios to parallel curl on the same server in the same run.

usage: tests/bench/sequential.py PAILFS [MIB] [ROUNDS]     as root; needs curl, and three times MIB of memory

The store is `pailfs serve` in a folder in memory, so that the disk is not what is measured. In each round curl sends the
file as pieces of 16 MiB over 8 connections and dd writes it to the mount (stored when dd returns); then curl fetches it
in ranges of 16 MiB over 8 connections and dd reads it from a mount with an empty cache.
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mount/programs"))
import harness  # noqa: E402

PIECE_MIB, CONNECTIONS = 16, 8


def keys_file(place):
    """For curl -K: the keys stay off the command line."""
    keys = json.loads((place.store.folder / "credentials.json").read_text())["cos_hmac_keys"]
    path = place.folder / "keys.curl"
    path.touch(mode=0o600)
    path.write_text(f'user = "{keys["access_key_id"]}:{keys["secret_access_key"]}"\naws-sigv4 = "aws:amz:us-south:s3"\n'
                    'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"\nsilent\nfail\noutput = "/dev/null"\n')
    return path


def seconds(*commands):
    """How long the commands take side by side."""
    begin = time.monotonic()
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    assert all(process.wait() == 0 for process in running), "a command failed"
    return time.monotonic() - begin


def curls(place, transfers):
    """The transfers, arguments of curl, shared out to as many shells as there are connections."""
    keys = keys_file(place)
    lines = [f"curl -K {keys} {transfer} || exit 1" for transfer in transfers]
    return [["sh", "-c", "\n".join(lines[part::CONNECTIONS])] for part in range(CONNECTIONS)]


def measure(place, mib, rounds):
    pieces = range(mib // PIECE_MIB)
    harness.run("sh", "-c", f"head -c {mib << 20} /dev/urandom > {place.folder}/source")
    harness.run("split", "-b", f"{PIECE_MIB}M", "-d", "-a", "4", place.folder / "source", place.folder / "piece")
    mount = place.mount()
    bucket = f"{place.store.address()}/demo"
    send = curls(place, [f"-T {place.folder}/piece{i:04} {bucket}/piece{i}" for i in pieces])
    size = PIECE_MIB << 20
    fetch = curls(place, [f"-r {i * size}-{(i + 1) * size - 1} {bucket}/large" for i in pieces])
    ratios = {"write": [], "read": []}
    for _ in range(rounds):
        send_limit = seconds(*send)
        written = seconds(["dd", f"if={place.folder}/source", f"of={mount.path}/large", "bs=1M"])
        mount.unmount()
        shutil.rmtree(place.folder / "cache")
        mount.start()
        fetch_limit = seconds(*fetch)
        read = seconds(["dd", f"if={mount.path}/large", "of=/dev/null", "bs=1M"])
        ratios["write"].append(written / send_limit)
        ratios["read"].append(read / fetch_limit)
        print(f"write {written:.2f} s, curl {send_limit:.2f} s: {ratios['write'][-1]:.2f} x;  "
              f"read {read:.2f} s, curl {fetch_limit:.2f} s: {ratios['read'][-1]:.2f} x", flush=True)
    for name, values in ratios.items():
        print(f"{name}: median of {rounds}: {statistics.median(values):.2f} x the time of parallel curl")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    mib, rounds = (int(word) for word in (sys.argv[2:] + ["1024", "5"][len(sys.argv) - 2:]))
    tempfile.tempdir = "/dev/shm"
    place = harness.Place(sys.argv[1])
    try:
        measure(place, mib, rounds)
    finally:
        place.clean_up()


if __name__ == "__main__":
    main()
