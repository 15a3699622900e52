"""Whose a file or folder is: what others may write is not taken for our own."""

from __future__ import annotations

import os
import stat

ROOT = 0


def may_trust(status: os.stat_result) -> bool:
    """Whether nobody but this user, or root, may write what has this status.

    Where the system has no owners of this kind, everything is trusted.
    """
    if not hasattr(os, "geteuid"):
        return True
    if status.st_uid not in (os.geteuid(), ROOT) or status.st_mode & stat.S_IWOTH:
        return False
    return not status.st_mode & stat.S_IWGRP or _is_private(status.st_gid)


def describe_status(status: os.stat_result) -> str:
    """Owner and mode in words."""
    return f"owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}"


def _is_private(group: int) -> bool:
    """Whether a group is this user's own, as systems make one for each user."""
    import grp
    import pwd

    try:
        user, found = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return found.gr_name == user.pw_name and set(found.gr_mem) <= {user.pw_name}
