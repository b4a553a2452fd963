"""Where a run's library is kept on a machine; light, for whoever builds one."""

from __future__ import annotations

from pathlib import Path

from bus.messages import ArtifactRef


def library_path(cache_dir: Path, ref: ArtifactRef) -> Path:
    """The file of a library in a cache directory."""
    return cache_dir / f"{ref.sha256}.db"
