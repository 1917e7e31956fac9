"""The web server all requests go to."""

import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess

from lib.tools import Failed, free_port, run, stop, wait_for

# Loopback addresses beside 127.0.0.1, which stand for as many hosts.
HOSTS = 200

# What it listens for, each on a port of its own.
KINDS = ("http", "https", "https_tickets", "http2", "hosts")

NGINX_CONF = """
daemon off;
{user}
load_module {echo_module};
worker_processes 1;
{affinity}
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    keepalive_time 24h;
    client_max_body_size 64m;
    # no body goes to the disk
    client_body_buffer_size 16m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_tickets off;
    server {{
        listen 127.0.0.1:{http} backlog=4096;
        include {folder}/locations.conf;
    }}
    server {{
        listen 127.0.0.1:{https} ssl backlog=4096;
        include {folder}/locations.conf;
    }}
    # where a new connection can resume the session of one before
    server {{
        listen 127.0.0.1:{https_tickets} ssl backlog=4096;
        ssl_session_tickets on;
        include {folder}/locations.conf;
    }}
    server {{
        listen 127.0.0.1:{http2} ssl http2 backlog=4096;
        include {folder}/locations.conf;
    }}
    # the other hosts
    server {{
        {listen_hosts}
        include {folder}/locations.conf;
    }}
}}
"""

LOCATIONS = """
location / { return 200 "ok"; }
# answers when the whole of the request's body is here
location = /sink { echo_read_request_body; echo "ok"; }
location = /close { keepalive_timeout 0; return 200 "ok"; }
location = /50ms { echo_sleep 0.05; echo "ok"; }
location = /100ms { echo_sleep 0.1; echo "ok"; }
location /files/ { root FOLDER; }
"""

OPENSSL_CONF = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[server]
subjectAltName = IP:127.0.0.1
"""


def nginx_program():
    program = shutil.which("nginx") or shutil.which("nginx",
                                                    path="/usr/sbin:/sbin")
    if not program:
        raise Failed("nginx is not installed (dev/install-deps bench)")
    return program


def echo_module():
    """The module which can wait before it answers, and read a body."""
    built = run([nginx_program(), "-V"])
    folder = re.search(r"--modules-path=(\S+)", built)
    module = pathlib.Path(folder.group(1) if folder else "/nowhere",
                          "ngx_http_echo_module.so")
    if not module.exists():
        raise Failed(f"{module} is not there: install libnginx-mod-http-echo"
                     " (dev/install-deps bench)")
    return module


class Nginx:
    """A web server with one worker process."""

    def __init__(self, folder, cpu):
        self.folder = folder
        self.cpu = cpu
        self.ports = {kind: free_port() for kind in KINDS}
        self.ca_file = folder / "ca.pem"
        self.process = None

    def url(self, path="", kind="http"):
        scheme = "http" if kind == "http" else "https"
        return f"{scheme}://127.0.0.1:{self.ports[kind]}/{path}"

    def host_url(self, number, path=""):
        """The URL at one of the hosts; number may be text, such as %d."""
        return f"http://127.0.1.{number}:{self.ports['hosts']}/{path}"

    def start(self):
        self.folder.mkdir()
        self.make_certificates()
        self.write_configuration()
        self.process = subprocess.Popen(
            [nginx_program(), "-p", self.folder, "-c",
             self.folder / "nginx.conf"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.is_ready, "nginx", 10)

    def is_ready(self):
        if self.process.poll() is not None:
            raise Failed("nginx did not start: "
                         + (self.folder / "error.log").read_text())
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports["http"])) == 0

    def pids(self):
        """Of its workers."""
        master = self.process.pid
        children = pathlib.Path(f"/proc/{master}/task/{master}/children")
        return [int(pid) for pid in children.read_text().split()]

    def stop(self):
        if self.process:
            stop(self.process)

    def write_configuration(self):
        (self.folder / "locations.conf").write_text(
            LOCATIONS.replace("FOLDER", str(self.folder)))
        descriptors = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 16384)
        (self.folder / "nginx.conf").write_text(NGINX_CONF.format(
            folder=self.folder, echo_module=echo_module(),
            user="user root;" if os.geteuid() == 0 else "",
            affinity="" if self.cpu is None
            else f"worker_cpu_affinity {1 << self.cpu:b};",
            descriptors=descriptors, connections=descriptors - 100,
            listen_hosts="\n        ".join(
                f"listen 127.0.1.{number}:{self.ports['hosts']} backlog=4096;"
                for number in range(1, HOSTS + 1)), **self.ports))

    def make_certificates(self):
        """An authority, and a server's certificate signed by it."""
        at = self.folder
        (at / "openssl.cnf").write_text(OPENSSL_CONF)
        for name in ("ca", "server"):
            run(["openssl", "ecparam", "-name", "prime256v1", "-genkey",
                 "-noout", "-out", at / f"{name}.key"])
        run(["openssl", "req", "-x509", "-config", at / "openssl.cnf",
             "-extensions", "authority", "-days", 30, "-key", at / "ca.key",
             "-subj", "/CN=pg_net bench", "-out", self.ca_file])
        run(["openssl", "req", "-new", "-config", at / "openssl.cnf", "-key",
             at / "server.key", "-subj", "/CN=127.0.0.1", "-out",
             at / "server.csr"])
        run(["openssl", "x509", "-req", "-in", at / "server.csr", "-CA",
             self.ca_file, "-CAkey", at / "ca.key", "-CAcreateserial",
             "-extfile", at / "openssl.cnf", "-extensions", "server", "-days",
             30, "-out", at / "server.pem"])
        self.ca_file.chmod(0o644)
