"""A child process that prints the names of those of its variables that hold a password in the test."""

import os

if __name__ == "__main__":
    print(*sorted(name for name, value in os.environ.items() if "hidden" in value))  # noqa: T201
