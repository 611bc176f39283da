"""What a function sees as /opt: the files of its layers, later layers over earlier ones.

https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from labhelpers.model import FunctionVersion


class OptFolders:
    """Makes and remembers the merged folders; `folder` is where they go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, version: FunctionVersion) -> Path:
        """The folder for `version`: empty without layers, the layer's own for one, a merged one for several."""
        if len(version.layers) == 1:
            return version.layers[0].root
        names = "\n".join(layer.arn for layer in version.layers)
        target = self._folder / (hashlib.sha256(names.encode()).hexdigest()[:32] if names else "empty")
        if target.exists():
            return target
        self._folder.mkdir(parents=True, exist_ok=True)
        building = target.with_suffix(".part")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        for layer in version.layers:
            _lay_over(layer.root, building)
        building.rename(target)
        return target


def _lay_over(source: Path, target: Path) -> None:
    for parent, folders, files in os.walk(source):
        below = target / Path(parent).relative_to(source)
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in [*files, *links]:
            original, place = Path(parent) / name, below / name
            _clear(place)
            if original.is_symlink():
                place.symlink_to(os.readlink(original))
            else:
                os.link(original, place)
        for name in set(folders) - set(links):
            place = below / name
            if place.is_symlink() or not place.is_dir():
                _clear(place)
                place.mkdir()


def _clear(place: Path) -> None:
    """Make room for what a later layer brings, whichever kind it is."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
