"""Coverage-guided fuzzing of the metadata parsers.

    python -m tests.fuzz.fuzz_metadata -max_total_time=60

The first byte chooses the parser. A finding is any exception, and anything slower than libFuzzer's
``-timeout``.
"""

from __future__ import annotations

import io
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["registry.metadata", "xml", "defusedxml"]):
    from registry.metadata import read_embedded
    from registry.metadata.blocks import photoshop_resources
    from registry.metadata.exif import read_exif
    from registry.metadata.iptc import read_iptc
    from registry.metadata.values import Problems
    from registry.metadata.xmp import read_xmp

from PIL import Image

from tests.registry.metadata import files


def fuzz_one(data: bytes) -> None:
    """Give one input to the parser that its first byte names."""
    choice, block, problems = data[:1], data[1:], Problems()
    if choice == b"x":
        read_xmp(block, problems)
    elif choice == b"i":
        read_iptc(block, problems)
    elif choice == b"p":
        list(photoshop_resources(block))
    elif choice == b"e":
        read_exif(block, problems)
    else:
        try:
            image = Image.open(io.BytesIO(block))
        except Exception:  # intake refuses such a file
            return
        read_embedded(image, block).to_json()


def write_seeds(folder: Path) -> None:
    """One valid input a parser, to start from."""
    packet = files.data_mining("DMI-PROHIBITED", "<dc:title>a</dc:title>")
    block = files.iim(files.UTF8_MARK, (2, 80, b"Ada"))
    seeds = [
        b"x" + packet,
        b"i" + block,
        b"p" + files.photoshop_resource(block),
        b"e" + files.exif(Artist="Ada").tobytes(),
        b"f" + files.jpeg_with_iptc(block),
        b"f" + files.gif_with_xmp(packet),
        *(
            b"f" + files.with_xmp(name, packet, files.exif(Artist="Ada"))
            for name in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
        ),
    ]
    for number, seed in enumerate(seeds):
        (folder / str(number)).write_bytes(seed)


def main() -> None:
    """Run until told to stop; a corpus folder may be given as with any libFuzzer program."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        write_seeds(Path(folder))
        atheris.Setup([*sys.argv, folder], fuzz_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
