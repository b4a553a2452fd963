"""What a member is for: role files, and the one module that reads them."""

from __future__ import annotations

from roles.files import (
    BUILT_IN_DIR,
    EFFORTS,
    ROLE_BYTES_MAX,
    FoundRole,
    IgnoredField,
    Role,
    RoleError,
    SearchPlace,
    find_roles,
    get_role,
    load_role,
    search_path,
)

__all__ = [
    "BUILT_IN_DIR",
    "EFFORTS",
    "ROLE_BYTES_MAX",
    "FoundRole",
    "IgnoredField",
    "Role",
    "RoleError",
    "SearchPlace",
    "find_roles",
    "get_role",
    "load_role",
    "search_path",
]
