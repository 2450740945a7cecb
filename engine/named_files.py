"""What the system answers where a name that somebody gave leads to no file."""

from __future__ import annotations

# Nothing is there, not even a folder for it, or a folder is: a mistake of whoever gave the name.
# Where it leads to a file that cannot be read, other errors say so.
NO_FILE_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
