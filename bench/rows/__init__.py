"""The rows of the table: functions from a Bench to Figures."""

ROWS = {}


def row(number, title):
    """Registers a function as a row."""
    def register(function):
        ROWS[number] = (title, function)
        return function
    return register
