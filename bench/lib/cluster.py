"""A PostgreSQL cluster in a folder of its own."""

import contextlib
import os
import pathlib
import pwd
import re

from lib.session import Session, load_libpq
from lib.tools import Failed, free_port, run

# Two settings that are not PostgreSQL's own: where it listens is.  All else
# is as it comes, shared_buffers of 128 MB included.
SETTINGS = """
port = {port}
listen_addresses = ''
unix_socket_directories = '{sockets}'
shared_preload_libraries = 'pg_net'
pg_net.http_version = '2'
"""


class Cluster:
    """Starts and stops a server, and opens sessions on it."""

    def __init__(self, folder, pg_config):
        self.pg_config = pg_config
        self.bin = pathlib.Path(self.ask("--bindir"))
        self.libpq = load_libpq(self.ask("--libdir"))
        self.folder = folder
        self.data = folder / "data"
        self.sockets = folder / "socket"
        self.port = free_port()
        self.sessions = []
        self.sockets.mkdir(parents=True)
        # PostgreSQL refuses to run as root
        self.become = []
        if os.geteuid() == 0:
            self.become = ["runuser", "-u", "postgres", "--"]
            postgres = pwd.getpwnam("postgres")
            for path in (folder, self.sockets):
                os.chown(path, postgres.pw_uid, postgres.pw_gid)

    def ask(self, option):
        return run([self.pg_config, option]).strip()

    def has_pg_net(self):
        return pathlib.Path(self.ask("--sharedir"), "extension",
                            "pg_net.control").exists()

    def command(self, program, *arguments):
        return run([*self.become, self.bin / program, *arguments], cwd="/")

    def create(self, settings=""):
        self.command("initdb", "-D", self.data, "-U", "postgres", "-A",
                     "trust", "--no-sync")
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(SETTINGS.format(port=self.port, sockets=self.sockets)
                       + settings)

    def start(self):
        self.command("pg_ctl", "-D", self.data, "-l",
                     self.folder / "postgres.log", "-w", "-t", 60, "start")

    def stop(self):
        for session in self.sessions:
            session.close()
        # a failed start leaves nothing to stop
        if (self.data / "postmaster.pid").exists():
            self.command("pg_ctl", "-D", self.data, "-m", "fast", "-w", "-t",
                         60, "stop")

    def conninfo(self):
        return (f"host={self.sockets} port={self.port} user=postgres"
                " dbname=postgres")

    def session(self):
        session = Session(self.libpq, self.conninfo())
        self.sessions.append(session)
        return session

    def pgbench(self, script, clients, transactions, progress=False,
                seconds=300):
        """Transactions per second, and second by second if asked for."""
        file = self.folder / "pgbench.sql"
        file.write_text(script + "\n")
        output = run([self.bin / "pgbench", "-n", "-f", file, "-c", clients,
                      "-j", min(clients, os.cpu_count() or 1),
                      "-t", transactions // clients,
                      *(["-P", "1"] if progress else []), self.conninfo()],
                     seconds=seconds)
        whole = re.search(r"^tps = ([\d.]+)", output, re.MULTILINE)
        if not whole:
            raise Failed(f"pgbench said no tps: {output}")
        by_second = re.findall(r"^progress: [\d.]+ s, ([\d.]+) tps", output,
                               re.MULTILINE)
        return {"tps": float(whole.group(1)),
                "by_second": [float(tps) for tps in by_second]}


@contextlib.contextmanager
def settings(session, changes):
    """Server settings that need no restart, for a while."""
    try:
        for name, value in changes.items():
            session.run(f"alter system set {name} = '{value}'")
        session.run("select pg_reload_conf()")
        yield
    finally:
        for name in changes:
            session.run(f"alter system reset {name}")
        session.run("select pg_reload_conf()")
