"""What a member is for: role files, and the modules that find, read and check them."""

from __future__ import annotations

from roles.checks import EFFORTS, Review, Role
from roles.files import (
    BUILT_IN_DIR,
    ROLE_BYTES_MAX,
    FoundRole,
    SearchPlace,
    find_roles,
    get_role,
    inline_servers,
    load_role,
    review_role_file,
    search_path,
)
from roles.front_matter import IgnoredField, InlineServer, RoleError

__all__ = [
    "BUILT_IN_DIR",
    "EFFORTS",
    "ROLE_BYTES_MAX",
    "FoundRole",
    "IgnoredField",
    "InlineServer",
    "Review",
    "Role",
    "RoleError",
    "SearchPlace",
    "find_roles",
    "get_role",
    "inline_servers",
    "load_role",
    "review_role_file",
    "search_path",
]
