"""What the tests in Python share: a line a comparison, and an exit code that says whether one failed."""

_failures = 0


def check(what, found, limit):
    """Prints one comparison; NaN fails."""
    global _failures
    passed = bool(found <= limit)
    _failures += not passed
    print(f"{'ok' if passed else 'FAILED'}: {what}: {found:.3g}, at most {limit:g}")


def conclude():
    """Prints the outcome of all comparisons; gives the exit code."""
    print(f"{_failures} failed" if _failures else "all passed")
    return 1 if _failures else 0
