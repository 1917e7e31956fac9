"""Hosts that accept connections and never answer."""

import selectors
import socket
import threading

from lib.tools import free_port


class HangingHosts:
    """At 127.0.1.1, 127.0.1.2 and so on; a thread of this program."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.port = free_port()
        self.listeners = []
        self.connections = []
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.hanging_up = False
        self.closing = False
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self):
        for number in range(1, self.hosts + 1):
            listener = socket.socket()
            self.listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((f"127.0.1.{number}", self.port))
            listener.listen(4096)
            listener.setblocking(False)
            self.selector.register(listener, selectors.EVENT_READ)
        self.thread.start()
        return self

    def accept(self):
        while not self.closing:
            for key, _ in self.selector.select(0.2):
                try:
                    connection, _ = key.fileobj.accept()
                except OSError:
                    continue
                with self.lock:
                    if not self.hanging_up:
                        self.connections.append(connection)
                        continue
                connection.close()

    def count(self):
        return len(self.connections)

    def hang_up(self):
        """Ends all connections, and new ones at once, until resume()."""
        with self.lock:
            self.hanging_up = True
            for connection in self.connections:
                connection.close()
            self.connections.clear()

    def resume(self):
        self.hanging_up = False

    def __exit__(self, *_):
        self.closing = True
        if self.thread.is_alive():
            self.thread.join(5)
        self.hang_up()
        for listener in self.listeners:
            listener.close()
        self.selector.close()
