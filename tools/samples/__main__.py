"""Draw the pictures of samples/ anew: `python -m tools.samples`, or `python -m tools.samples FOLDER`.

photographer.jpg is a photograph and not drawn: samples/README.md says where it is from.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from tools.samples import outdoors
from tools.samples.canvas import save
from tools.samples.rooms import ROOMS, VARIANTS, enhance


def drawn() -> Iterator[tuple[str, Image.Image]]:
    """Yield the name of every picture that is drawn, and the picture."""
    for scene in (outdoors.dog, outdoors.beach, outdoors.jump, outdoors.surfer):
        yield f"{scene.__name__}.jpg", scene()
    for room, draw in ROOMS.items():
        render = draw()
        yield f"{room}.jpg", render
        for variant, how in VARIANTS.items():
            yield f"{room}-{variant}.jpg", enhance(render, how)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write them into a folder; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.samples", description="Draw the pictures of samples/ anew.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("samples"), help="where to (samples)")
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in drawn():
        save(picture, folder / name)
        print(f"{folder / name}: {(folder / name).stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
