"""Distances between copies of a picture and between works: the basis of :data:`MATCH_DISTANCE`.

Each picture of a folder is altered as copies on the web are (saved again, resized, cropped, turned,
mirrored, recoloured, stamped). Measured are the distance of every altered copy to its original, and
of all pairs of different pictures. Claim, for pictures with enough detail: at least 95 of 100
copies saved again as JPEG of quality 50 or more, or changed in contrast or to grey, are found, and
at most one in 10,000 pairs of different pictures matches. Other changes are only reported.

    python -m benchmarks.register.fingerprints [FOLDER ...]

Without a folder: the demonstration's works.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks.record import conclude
from cli.demo.houses import write_demonstration_works
from registry.similarity.pdq import (
    LEAST_QUALITY,
    MATCH_DISTANCE,
    Fingerprint,
    distance,
    fingerprint_bytes,
    fingerprint_of,
    words_of,
)

Change = Callable[[Image.Image], Image.Image]
PICTURES = 500
"""Most pictures per folder, evenly spaced over its sorted names."""
LEAST_FOUND = 0.95
MOST_FALSE = 1e-4
MUST_BE_FOUND = ("JPEG q=50", "JPEG q=70", "JPEG q=90", "contrast 0.7x", "grey")


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    folders = [Path(name) for name in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as scratch:
        if not folders:
            write_demonstration_works(Path(scratch) / "demonstration")
            folders = [Path(scratch) / "demonstration"]
        cases = [measure(folder) for folder in folders]
    held = all(case["held"] for case in cases)
    claim = (
        f"at {MATCH_DISTANCE} bits, at least {LEAST_FOUND:.0%} of copies match after {', '.join(MUST_BE_FOUND)}, "
        f"and at most {MOST_FALSE:.2%} of pairs of different pictures"
    )
    results = {
        "match_distance": MATCH_DISTANCE,
        "least_quality": LEAST_QUALITY,
        "cases": cases,
        "milliseconds": costs(),
    }
    return conclude("register/fingerprints", claim, held, results, ("numpy", "pillow"))


def measure(folder: Path) -> dict[str, Any]:
    """Distances of copies and of different works for one folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp"})
    paths = [paths[index] for index in np.linspace(0, len(paths) - 1, min(PICTURES, len(paths))).astype(int)]
    pictures = [shown(path) for path in paths]
    fingerprints = [fingerprint_of(picture) for picture in pictures]
    kept = [index for index, one in enumerate(fingerprints) if one.quality >= LEAST_QUALITY]
    copies = {
        name: spread([distance(fingerprints[index], altered(pictures[index], change)) for index in kept])
        for name, change in changes().items()
    }
    different = all_pairs([fingerprints[index] for index in kept])
    false_rate = float((different <= MATCH_DISTANCE).mean())
    flat = all_pairs([one for one in fingerprints if one.quality < LEAST_QUALITY])
    return {
        "folder": folder.name,
        "pictures": len(paths),
        "comparable": len(kept),
        "median_side": int(np.median([min(picture.size) for picture in pictures])),
        "copies": copies,
        "different_works": {**spread(different.tolist()), "percentile_1": float(np.percentile(different, 1))},
        "false_match_rate": false_rate,
        "false_match_rate_by_distance": {bits: float((different <= bits).mean()) for bits in (11, 21, 31, 41, 51, 61)},
        "false_match_rate_of_flat_pictures": float((flat <= MATCH_DISTANCE).mean()) if len(flat) else None,
        "held": false_rate <= MOST_FALSE and all(copies[name]["found"] >= LEAST_FOUND for name in MUST_BE_FOUND),
    }


def changes() -> dict[str, Change]:
    """Ways to alter a picture in RGB."""
    return {
        **{f"JPEG q={quality}": partial(saved_again, quality=quality) for quality in (30, 50, 70, 90)},
        **{f"resized {factor}x": partial(ImageOps.scale, factor=factor) for factor in (0.25, 0.5, 2)},
        **{f"cropped {percent} % of sides": partial(cropped, share=percent / 100) for percent in (2, 5, 10, 25)},
        **{f"turned {degrees} degrees": partial(turned, degrees=degrees) for degrees in (2, 5, 90)},
        "mirrored": ImageOps.mirror,
        "grey": lambda picture: picture.convert("L").convert("RGB"),
        "brightness 1.3x": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
        "contrast 0.7x": lambda picture: ImageEnhance.Contrast(picture).enhance(0.7),
        "hue turned 30 degrees": recoloured,
        "text across the middle": stamped,
    }


def shown(path: Path) -> Image.Image:
    """The picture on white, in RGB."""
    with Image.open(path) as image:
        picture = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def altered(picture: Image.Image, change: Change) -> Fingerprint:
    """Fingerprint of an altered copy."""
    return fingerprint_of(change(picture))


def saved_again(picture: Image.Image, quality: int) -> Image.Image:
    """The picture after a round through JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def cropped(picture: Image.Image, share: float) -> Image.Image:
    """The middle, smaller by this share of the width and of the height."""
    x, y = picture.width * share / 2, picture.height * share / 2
    size = round(picture.width - 2 * x), round(picture.height - 2 * y)
    return picture.resize(size, Image.Resampling.BICUBIC, box=(x, y, picture.width - x, picture.height - y))


def turned(picture: Image.Image, degrees: float) -> Image.Image:
    """Turned about its middle with white corners; a quarter turn keeps the whole picture."""
    return picture.rotate(degrees, Image.Resampling.BICUBIC, expand=degrees == 90, fillcolor="white")


def recoloured(picture: Image.Image) -> Image.Image:
    """Every hue turned by a twelfth of the circle."""
    hue, saturation, value = picture.convert("HSV").split()
    turned = hue.point([(index + 21) % 256 for index in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def stamped(picture: Image.Image) -> Image.Image:
    """A line of half-transparent text across the middle, a tenth of the height."""
    layer = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(layer)
    height = max(4, picture.height // 10)
    draw.text((picture.width / 2, picture.height / 2), "© PREVIEW", (255, 255, 255, 160), font_size=height, anchor="mm")
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def all_pairs(fingerprints: list[Fingerprint]) -> NDArray[np.uint16]:
    """Distances of all pairs of fingerprints."""
    words = words_of(fingerprints)
    rows = [
        np.bitwise_count(words[index + 1 :] ^ word).sum(axis=1, dtype=np.uint16) for index, word in enumerate(words)
    ]
    return np.concatenate([*rows, np.empty(0, dtype=np.uint16)])


def spread(distances: list[int]) -> dict[str, float]:
    """Median, quantiles and the share at or under the threshold."""
    values = np.array(distances)
    return {
        "median": float(np.median(values)),
        "percentile_95": float(np.percentile(values, 95)),
        "least": int(values.min()),
        "most": int(values.max()),
        "found": round(float((values <= MATCH_DISTANCE).mean()), 6),
    }


def costs() -> dict[str, float]:
    """Processor milliseconds of one fingerprint from the bytes of a file, the median of several."""
    noise = np.random.default_rng(0).integers(0, 255, (250, 334, 3), dtype=np.uint8)
    found = {}
    for name, size, file_format in [("12-megapixel JPEG", (4_000, 3_000), "JPEG"), ("64 x 64 PNG", (64, 64), "PNG")]:
        buffer = io.BytesIO()
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(buffer, file_format)
        data = buffer.getvalue()
        found[name] = median_milliseconds(partial(fingerprint_bytes, data))
        found[f"{name}, decoded in full"] = median_milliseconds(partial(decoded, data))
    return found


def decoded(data: bytes) -> None:
    """Decode the file and do nothing else."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()


def median_milliseconds(job: Callable[[], object], rounds: int = 9) -> float:
    """Median of processor time."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        job()
        times.append(1_000 * (time.process_time() - start))
    return round(float(np.median(times)), 2)


if __name__ == "__main__":
    sys.exit(main())
