"""The quickest server: server.c, which does nothing but respond."""

import subprocess

from lib.tools import Failed, stop

MAX_SECONDS = 3600


class Server:
    """Runs for a while, on the processor that nginx runs on."""

    def __init__(self, folder, cpu):
        self.command = [folder / "server", str(MAX_SECONDS)]
        if cpu is not None:
            self.command = ["taskset", "-c", str(cpu), *self.command]
        self.process = None
        self.port = None

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True)
        # it prints that when it listens
        self.port = self.process.stdout.readline().strip()
        if not self.port:
            stop(self.process)
            raise Failed("the server did not start")
        return self

    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def __exit__(self, *_):
        stop(self.process)
        self.process.stdout.close()
