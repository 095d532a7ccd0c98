"""Stores that nobody here wrote, as the harness of the mount tests starts them."""
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess

import harness
from harness import Skip, run

TOOLS = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "pailfs-tests"
ACCESS, SECRET = "pailfs-test-key", "pailfs-test-secret"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class ForeignStore:
    """A server with HMAC keys and one bucket, demo. Subclasses name its command."""
    found = {}  # name of a store -> its program, or why there is none; looked for once

    def __init__(self, _, folder):
        self.folder = folder / "store"
        self.folder.mkdir()
        self.port = free_port()
        program = self.program()
        self.log = open(folder / "store.log", "w")
        self.process = subprocess.Popen(self.command(program), stdout=self.log, stderr=subprocess.STDOUT,
                                        env=os.environ | {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET})
        try:
            harness.await_true(f"{self.name} on port {self.port}",
                               lambda: self.process.poll() is not None or listens(self.port))
            assert self.process.poll() is None, f"{self.name} does not start"
            self.keys = folder / "passwd"
            self.keys.touch(0o600)
            self.keys.write_text(f"{ACCESS}:{SECRET}\n")
            self.request("-X", "PUT", f"{self.address()}/demo")
        except Exception:  # nobody else knows of the process yet
            self.stop()
            raise

    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def options(self):
        return f"url={self.address()},region=us-east-1,passwd_file={self.keys}"

    def request(self, *arguments):
        """One signed request without a body, by curl."""
        empty = hashlib.sha256(b"").hexdigest()
        return run("curl", "-sS", "--fail-with-body", "--config", "-", "--aws-sigv4", "aws:amz:us-east-1:s3", "-H",
                   f"x-amz-content-sha256: {empty}", *arguments, input=f'user = "{ACCESS}:{SECRET}"\n')

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    @classmethod
    def program(cls):
        if cls.name not in cls.found:
            try:
                cls.found[cls.name] = cls.find()
            except (Skip, AssertionError, OSError, subprocess.SubprocessError) as why:
                cls.found[cls.name] = Skip(f"{cls.name} is neither installed nor installable: {str(why)[-300:]}")
        if isinstance(cls.found[cls.name], Skip):
            raise cls.found[cls.name]
        return cls.found[cls.name]

    @classmethod
    def find(cls):
        """From the environment, from PATH, from where the tests install it, else installed there."""
        installed = TOOLS / cls.place
        for candidate in (os.environ.get(cls.variable), shutil.which(cls.executable), installed):
            if candidate and os.access(candidate, os.X_OK):
                return candidate
        cls.install()
        return installed


class Versitygw(ForeignStore):
    """Objects are files of a directory; what files cannot say lies in a second one."""
    name, executable, variable, place = "versitygw", "versitygw", "PAILFS_VERSITYGW", "bin/versitygw"
    checks_if_match = True

    def command(self, program):
        for name in ("data", "sidecar"):
            (self.folder / name).mkdir()
        return [program, "--port", f"127.0.0.1:{self.port}", "posix", "--sidecar", self.folder / "sidecar",
                self.folder / "data"]

    def put_beside(self, key, content):
        """An object that the server did not write itself."""
        (self.folder / "data/demo" / key).write_bytes(content)

    @staticmethod
    def install():
        harness.need("go")
        run("go", "install", "github.com/versity/versitygw/cmd/versitygw@latest",
            env=os.environ | {"GOBIN": str(TOOLS / "bin")})


class Moto(ForeignStore):
    """Objects live in its memory, and beyond a few MiB in temporary files."""
    name, executable, variable, place = "moto", "moto_server", "PAILFS_MOTO_SERVER", "moto/bin/moto_server"
    checks_if_match = False

    def command(self, program):
        return [program, "-H", "127.0.0.1", "-p", str(self.port)]

    @staticmethod
    def install():
        run("python3", "-m", "venv", TOOLS / "moto")
        run(TOOLS / "moto/bin/pip", "install", "-q", "moto[server]")
