"""Django's own tests, which are in its source distribution and not in its wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django
from support.vectors import REPOSITORY


def unpacked() -> Path:
    """The folder ``tests`` of the Django that is installed; fetched into ``target`` unless it is there."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "clients"
    folder = target / f"django-{django.__version__}"
    if not folder.exists():
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target) as fresh:
            shutil.move(str(_fetch(Path(fresh))), folder)
    return folder / "tests"


def _fetch(folder: Path) -> Path:
    """The unpacked source distribution."""
    wanted = f"django=={django.__version__}"
    arguments = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), wanted]
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as contents:
        contents.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")
