"""Write what the book's cover shows: a photograph of 160 x 240 pixels, and the colours of weights.

    python tools/cover.py                        # -> book/_data/cover.json

The photograph is *Chelsea* by Stefan van der Walt, CC0, which scikit-image ships; it is read from
the installed package.  The book itself builds without scikit-image and matplotlib.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

TARGET = Path(__file__).resolve().parent.parent / "book" / "_data" / "cover.json"
HEIGHT, WIDTH = 160, 240
SOURCE = "Chelsea, by Stefan van der Walt, CC0, from scikit-image"


def photograph() -> Image.Image:
    """The photograph without its last column, so that its sides are as 2 to 3, small."""
    import skimage

    path = Path(skimage.__file__).parent / "data" / "chelsea.png"
    whole = Image.open(path).convert("RGB").crop((0, 0, 450, 300))
    return whole.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def data() -> dict[str, str]:
    """The photograph as PNG and 256 colours of magma, in base64, and where they come from."""
    buffer = io.BytesIO()
    image = photograph()
    image.info.clear()  # a colour profile would let a browser change the numbers
    image.save(buffer, "PNG", optimize=True)
    table = mpl.colormaps["magma"](np.linspace(0, 1, 256))[:, :3]
    colours = (table * 255).round().astype(np.uint8).tobytes()
    return {
        "source": SOURCE,
        "photo": base64.b64encode(buffer.getvalue()).decode("ascii"),
        "map": base64.b64encode(colours).decode("ascii"),
    }


def main() -> int:
    """Write the file."""
    TARGET.write_text(json.dumps(data(), indent=1) + "\n", encoding="utf-8")
    print(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
