"""A connection to PostgreSQL, over libpq itself.

A psql process between us and the server would take processor time from what
is measured with every look at the clock.
"""

import ctypes
import ctypes.util
import pathlib

from lib.tools import Failed

CONNECTION_OK = 0
COMMAND_OK = 1
TUPLES_OK = 2


def load_libpq(libdir):
    for name in (pathlib.Path(libdir, "libpq.so.5"), "libpq.so.5",
                 ctypes.util.find_library("pq")):
        try:
            libpq = ctypes.CDLL(str(name))
            break
        except OSError:
            continue
    else:
        raise Failed(f"libpq.so.5 is neither in {libdir} nor with the system")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, *arguments in (
            ("PQconnectdb", pointer, text),
            ("PQstatus", number, pointer),
            ("PQerrorMessage", text, pointer),
            ("PQbackendPID", number, pointer),
            ("PQfinish", None, pointer),
            ("PQexec", pointer, pointer, text),
            ("PQresultStatus", number, pointer),
            ("PQntuples", number, pointer),
            ("PQnfields", number, pointer),
            ("PQgetisnull", number, pointer, number, number),
            ("PQgetvalue", text, pointer, number, number),
            ("PQclear", None, pointer)):
        function = getattr(libpq, name)
        function.restype = result
        function.argtypes = arguments
    return libpq


class Session:
    """A session, in which nothing takes longer than ten minutes."""

    def __init__(self, libpq, conninfo):
        self.libpq = libpq
        self.connection = libpq.PQconnectdb(
            f"{conninfo} options='-c statement_timeout=600s"
            " -c client_min_messages=error'".encode())
        if libpq.PQstatus(self.connection) != CONNECTION_OK:
            raise Failed(self.complaint())
        self.pid = libpq.PQbackendPID(self.connection)

    def complaint(self):
        return self.libpq.PQerrorMessage(self.connection).decode().strip()

    def rows(self, statements):
        """What the last of the statements returns: lists of text or None."""
        pq = self.libpq
        result = pq.PQexec(self.connection, statements.encode())
        try:
            status = pq.PQresultStatus(result)
            if status not in (COMMAND_OK, TUPLES_OK):
                raise Failed(f"{self.complaint()}\n  {statements}")
            return [[None if pq.PQgetisnull(result, row, column)
                     else pq.PQgetvalue(result, row, column).decode()
                     for column in range(pq.PQnfields(result))]
                    for row in range(pq.PQntuples(result))]
        finally:
            pq.PQclear(result)

    def run(self, statements):
        self.rows(statements)

    def value(self, statements):
        """The one value, or None when there is no row."""
        rows = self.rows(statements)
        return rows[0][0] if rows else None

    def number(self, statements):
        return float(self.value(statements))

    def true(self, statements):
        return self.value(statements) == "t"

    def close(self):
        if self.connection:
            self.libpq.PQfinish(self.connection)
        self.connection = None
