"""A list of cases for a contract test. `run()` runs them in order and prints one JSON line a case."""

import json
import os
import sys
import traceback

URL = os.environ.get("ATELIER_URL", "")
KEY = os.environ.get("ATELIER_KEY", "")

_cases = []


def case(title):
    """Registers a function as a case; it fails by raising."""

    def register(function):
        _cases.append((title, function))
        return function

    return register


def equal(actual, expected):
    """Fails unless both are equal, and shows them."""
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


def raises(kind, function):
    """The error of the given class that the function raises."""
    try:
        function()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def run():
    """Runs every case, or those whose titles hold one of the arguments."""
    wanted = sys.argv[1:]
    for title, function in _cases:
        if wanted and not any(part in title for part in wanted):
            continue
        try:
            function()
            line = {"title": title}
        except BaseException as error:  # a case may also end in SystemExit or an assertion of its own
            line = {"title": title, "error": f"{type(error).__name__}: {error}\n{traceback.format_exc()}"}
        print(json.dumps(line), flush=True)
