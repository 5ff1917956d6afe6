"""Layer 1 among ten million works by embedding: comparing all, and through an index.

Embeddings are generated with the structure of real ones: 20,000 clusters of very different sizes in
200 groups, each cluster spread along 96 directions by falling amounts, in half precision and of
length 1. Real ones check the recall: MobileNet's of 6,167 emoji and of the 10,000 test images of
CIFAR-10. How alike the two sorts are is said by their intrinsic dimension (Facco et al. 2017, from
the ratio of the distances to the second and to the first neighbour).

The index's own recall is measured by the product, on works. Here it is also measured on three sorts
of images that are no works: noisy copies of works, blends of two works, and new members of the same
clusters. The bars: a recall of at least 0.95 of the 20 nearest works, measured on works; at least
ten times less processor time for 16 images than comparing all works; at most 2 GiB of arrays and of
the index together beside the mapped features.

    python -m benchmarks.auditing.nearest_works --folder FOLDER --emoji DIR --cifar DIR
        --weights FILE [--works 10000000] [--only PART | --so-far]

The parts (build, truth, index, exact, real, libraries) can run apart, in one folder; without
--only, parts that have run are taken from there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image

from attribution.ranking.rankers.embeddings import mobilenet
from attribution.ranking.rankers.feature_kernel import BANDWIDTHS, FeatureQuery, embedded
from attribution.ranking.rankers.interface import ArrayRows
from attribution.ranking.rankers.kernel import of_length_one
from attribution.ranking.rankers.nearest import index, library
from attribution.ranking.rankers.nearest.index import WorkIndex, distances_of_nearest, drawn_rows, index_of
from attribution.ranking.rankers.nearest.search import FeatureSearch
from attribution.ranking.rankers.scan import UnitIndex, scan, scan_candidates
from benchmarks.record import conclude
from registry.ids import sha256_of_file

WIDTH, AXES, GROUPS, CLUSTERS = 512, 96, 200, 20_000
MADE_AT_ONCE = 1 << 16
ASKED = 64
"""Images of each sort that are no works."""
BATCHES = (1, 16)
KEEP = 200
KIND = "generated"
ROUNDS = 5
MINIMUM_RECALL, MINIMUM_RATIO, MOST_BYTES = 0.95, 10.0, 2 << 30
DIMENSION_ON = 4096
NAMED = (50, 100, 200, 1000)
COMPARED = 50_000
NOT_RUN = {"not_measured": "this part has not run"}


def main() -> int:
    """Measure, write the result, and return 1 if a bar is missed."""
    arguments = _arguments()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    parts: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
        "build": measure_build,
        "truth": measure_truth,
        "index": measure_index,
        "exact": measure_exact,
        "real": measure_real,
        "libraries": measure_libraries,
    }
    found: dict[str, Any] = {}
    for name in [arguments.only] if arguments.only else list(parts):
        kept = arguments.folder / f"{name}.json"
        if arguments.only or not (kept.exists() or arguments.so_far):
            kept.write_text(json.dumps(parts[name](arguments), indent=2), encoding="utf-8")
        found[name] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else dict(NOT_RUN)
    if arguments.only:
        print(json.dumps(found, indent=2))
        return 0
    found.pop("truth")
    claim = (
        f"the index of {arguments.works:,} works finds at least {MINIMUM_RECALL:.0%} of a work's {index.NEAREST} nearest; "
        f"it searches for {BATCHES[-1]} images in at most a {MINIMUM_RATIO:g}th of the processor time of comparing all, and "
        f"takes at most {MOST_BYTES >> 30} GiB beside the features, built or searched"
    )
    results = {"works": arguments.works, "width": WIDTH, "times_less_processor_time": _ratio(found), **found}
    return conclude("auditing/nearest_works", claim, _held(found), results, ("numpy", "torch", *_libraries()))


def _ratio(found: Mapping[str, Any]) -> dict[str, float]:
    """Processor time of comparing all by that of the index, by number of images."""
    if NOT_RUN in (found["index"], found["exact"]):
        return dict(NOT_RUN)  # type: ignore[arg-type]  # the reason instead of a number
    return {
        images: round(found["exact"]["processor_seconds"][images] / found["index"]["processor_seconds"][images], 1)
        for images in found["exact"]["processor_seconds"]
    }


def _held(found: Mapping[str, Any]) -> bool:
    if NOT_RUN in found.values():
        return False
    return bool(
        found["index"]["facts"]["recall"]["value"] >= MINIMUM_RECALL
        and _ratio(found)[str(BATCHES[-1])] >= MINIMUM_RATIO
        and all(found[part]["peak_bytes_beside_the_features"] <= MOST_BYTES for part in ("build", "index"))
    )


def _libraries() -> list[str]:
    return [library.PACKAGE] if library.installed() else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.auditing.nearest_works")
    parser.add_argument("--folder", type=Path, required=True, help="for 12 GB of files")
    parser.add_argument("--works", type=int, default=10_000_000)
    parser.add_argument("--emoji", type=Path, help="folder with works.csv and its pictures")
    parser.add_argument("--cifar", type=Path, help="folder with a sheet of CIFAR-10's test images")
    parser.add_argument("--weights", type=Path, help="MobileNetV2's")
    parser.add_argument("--so-far", action="store_true", help="run nothing: write down the parts that have run")
    parser.add_argument("--only", choices=("build", "truth", "index", "exact", "real", "libraries"))
    return parser.parse_args()


class Generated:
    """Embeddings of clusters, of any number of works."""

    def __init__(self, seed: int = 0) -> None:
        draw, self.seed = np.random.default_rng((seed, 0)), seed
        groups = draw.standard_normal((GROUPS, WIDTH), dtype=np.float32)
        group = draw.integers(0, GROUPS, CLUSTERS)
        self.centres = groups[group] + np.float32(0.7) * draw.standard_normal((CLUSTERS, WIDTH), dtype=np.float32)
        self.axes = draw.standard_normal((AXES, WIDTH), dtype=np.float32)
        fall = np.arange(1, AXES + 1) ** -0.5
        fall *= 0.8 / np.sqrt((fall**2).sum())
        self.scales = draw.permuted(np.broadcast_to(fall, (CLUSTERS, AXES)), axis=1).astype(np.float32)
        share = np.arange(1, CLUSTERS + 1) ** -0.7
        self.until = np.cumsum(share / share.sum())

    def block(self, number: int, count: int) -> Float32[np.ndarray, "work value"]:
        """Some works, the same whenever they are asked for."""
        draw = np.random.default_rng((self.seed, 1, number))
        cluster = np.searchsorted(self.until, draw.random(count)).clip(max=CLUSTERS - 1)
        places = draw.standard_normal((count, AXES), dtype=np.float32) * self.scales[cluster]
        return of_length_one(places @ self.axes + self.centres[cluster])


def features_of(folder: Path, works: int) -> Path:
    """The file of generated embeddings; made where it is missing."""
    path = folder / f"features-generated-{works}.npy"
    if not path.exists():
        part, made = path.with_suffix(".part"), Generated()
        values = np.lib.format.open_memmap(part, "w+", np.float16, (works, WIDTH))
        for number, start in enumerate(range(0, works, MADE_AT_ONCE)):
            count = min(MADE_AT_ONCE, works - start)
            values[start : start + count] = made.block(number, count)
        values.flush()
        part.rename(path)
    return path


def images_that_are_no_works(rows: ArrayRows) -> dict[str, Float32[np.ndarray, "image value"]]:
    """Embeddings of three sorts of images."""
    draw = np.random.default_rng(7)
    some = rows.take(np.sort(draw.integers(0, len(rows), ASKED)))
    others = rows.take(np.sort(draw.integers(0, len(rows), ASKED)))
    noise = of_length_one(draw.standard_normal(some.shape))
    return {
        "noisy copies of works": of_length_one(some + np.float32(0.3) * noise),
        "blends of two works": of_length_one(some + np.float32(0.7) * others),
        "new members of the clusters": Generated().block(1 << 20, ASKED),
    }


def mapped(arguments: argparse.Namespace) -> tuple[Path, ArrayRows]:
    """The generated embeddings."""
    path = features_of(arguments.folder, arguments.works)
    return path, ArrayRows(np.load(path, mmap_mode="r"))


def measure_build(arguments: argparse.Namespace) -> dict[str, Any]:
    """Build the index, measure its recall on works, and keep it."""
    path, rows = mapped(arguments)
    wall, begun, marks = time.perf_counter(), time.process_time(), list[float]()
    index_of(path, KIND, rows, lambda _done, _all: marks.append(time.process_time() - begun))
    return {
        "processor_seconds_to_fit_and_add_all_works": round(marks[-1], 1),
        "processor_seconds_with_recall": round(time.process_time() - begun, 1),
        "seconds": round(time.perf_counter() - wall),
        "peak_bytes_beside_the_features": _beside(path),
        "load": round(os.getloadavg()[0], 1),
    }


def measure_truth(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """The distance of each image that is no work to the last of its nearest works, by all works."""
    _, rows = mapped(arguments)
    sorts = images_that_are_no_works(rows)
    everything = np.concatenate(list(sorts.values()))
    furthest = distances_of_nearest(rows, everything, np.full(len(everything), -1), index.NEAREST)[:, -1]
    return dict(zip(sorts, furthest.reshape(len(sorts), -1).tolist(), strict=True))


def measure_index(arguments: argparse.Namespace) -> dict[str, Any]:
    """Search through the index."""
    path, rows = mapped(arguments)
    begun = time.process_time()
    opened = index_of(path, KIND, rows)
    opening = time.process_time() - begun
    no_works = images_that_are_no_works(rows)
    seconds: dict[str, list[float]] = {str(images): [] for images in BATCHES}
    walls: dict[str, list[float]] = {str(images): [] for images in BATCHES}
    for _ in range(ROUNDS + 1):
        for images in BATCHES:
            start, begun = time.perf_counter(), time.process_time()
            through_index(opened, rows, no_works["blends of two works"][:images])
            seconds[str(images)].append(time.process_time() - begun)
            walls[str(images)].append(time.perf_counter() - start)
    truth = json.loads((arguments.folder / "truth.json").read_text(encoding="utf-8"))
    (file,) = (
        one for one in path.parent.glob("nearest-*.faiss") if sha256_of_file(one) == opened.facts["index_sha256"]
    )
    return {
        "facts": dict(opened.facts),
        "bytes_of_the_file": file.stat().st_size,
        "opening_processor_seconds": round(opening, 3),
        # The first round maps the file.
        "processor_seconds": {name: round(statistics.median(each[1:]), 4) for name, each in seconds.items()},
        "seconds": {name: round(statistics.median(each[1:]), 4) for name, each in walls.items()},
        "recall_on_images_that_are_no_works": {
            name: recall_on(opened, rows, values, truth[name]) for name, values in no_works.items()
        },
        "peak_bytes_beside_the_features": _beside(path),
        "load": round(os.getloadavg()[0], 1),
    }


def _beside(features: Path) -> int:
    """The most memory of this process, without what it has mapped of the features."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - _mapped(features)


def _mapped(features: Path) -> int:
    """Bytes of a mapped file that this process has in memory."""
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if "-" in line.split(" ")[0]:
            inside = line.endswith(str(features))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1]) * 1024
    return found


def query_of(rows: ArrayRows, images: Float32[np.ndarray, "image value"], search: FeatureSearch) -> FeatureQuery:
    """The query of an audit."""
    return FeatureQuery(images, rows, [tau / rows.width for tau in BANDWIDTHS], search)


def through_index(opened: WorkIndex, rows: ArrayRows, images: Float32[np.ndarray, "image value"]) -> np.ndarray:
    """The best works of some images, as in an audit."""
    search = FeatureSearch(rows, None, KIND, wanted=True)
    search.__dict__["_index"] = opened
    query = query_of(rows, images, search)
    candidates = query.candidates()
    if candidates is None:
        raise SystemExit("the index named too few works")
    return scan_candidates(query, candidates, len(rows), len(BANDWIDTHS), single_works(len(rows)), KEEP).order


def single_works(works: int) -> UnitIndex:
    """Every work is a unit."""
    every = np.arange(works)
    return UnitIndex(every, works, single=True, present=every)


def recall_on(
    opened: WorkIndex, rows: ArrayRows, images: Float32[np.ndarray, "image value"], furthest: Sequence[float]
) -> dict[str, Any]:
    """The share of the nearest works that the best works through the index are."""
    order = through_index(opened, rows, images)[:, 0, : index.NEAREST]
    shares = []
    for image, found, limit in zip(images, order, furthest, strict=True):
        squared = ((rows.take(found) - image) ** 2).sum(axis=1, dtype=np.float64)
        shares.append(float((squared <= limit + index.SAME).mean()))
    error = float(np.std(shares, ddof=1) / len(shares) ** 0.5)
    return {"images": len(shares), "recall": round(statistics.mean(shares), 4), "standard_error": round(error, 4)}


def measure_exact(arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare all works, as an audit does without an index."""
    _, rows = mapped(arguments)
    images, units = images_that_are_no_works(rows)["blends of two works"], single_works(len(rows))
    search = FeatureSearch(rows, None, KIND, wanted=False)
    seconds, walls = {}, {}
    for count in BATCHES:
        start, begun = time.perf_counter(), time.process_time()
        scan(query_of(rows, images[:count], search), rows, count, len(BANDWIDTHS), units, KEEP)
        seconds[str(count)] = round(time.process_time() - begun, 2)
        walls[str(count)] = round(time.perf_counter() - start, 1)
    step = index.ROWS_AT_ONCE
    begun = time.process_time()
    for start_row in range(0, len(rows), step):
        rows.take(slice(start_row, start_row + step))
    return {
        "processor_seconds": seconds,
        "seconds": walls,
        "processor_seconds_to_read_all_as_single_precision": round(time.process_time() - begun, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def measure_real(arguments: argparse.Namespace) -> dict[str, Any]:
    """Recall on real embeddings, and how alike they are to generated ones."""
    embedding = mobilenet(arguments.weights)
    found: dict[str, Any] = {"generated": {"intrinsic_dimension": intrinsic_dimension(Generated().block(0, 1 << 15))}}
    for name, pictures in (("emoji", _emoji(arguments.emoji)), ("cifar", _cifar(arguments.cifar))):
        path = arguments.folder / f"features-{name}.npy"
        if not path.exists():
            np.save(path, np.concatenate([embedded(embedding, part) for part in pictures]).astype(np.float16))
        rows = ArrayRows(np.load(path, mmap_mode="r"))
        made = index_of(path, name, rows)
        found[name] = {
            "works": len(rows),
            "width": rows.width,
            "intrinsic_dimension": intrinsic_dimension(rows.take(slice(0, len(rows)))),
            **{key: made.facts[key] for key in ("lists", "probes", "bytes", "recall")},
            "recall_by_works_named": recall_by_named(made, rows),
        }
    return found


def recall_by_named(made: WorkIndex, rows: ArrayRows) -> dict[str, float]:
    """Recall on works if the index named fewer of them than it does: where works are few."""
    own = drawn_rows(len(rows), index.QUERIES, 4)
    queries = rows.take(own)
    furthest = distances_of_nearest(rows, queries, own, index.NEAREST)[:, -1:]
    near = made.opened.near(queries, index.CANDIDATES, made.probes)
    found = {}
    for named in NAMED:
        shares = []
        for place, row in enumerate(near[:, :named]):
            others = row[(row >= 0) & (row != own[place])]
            squared = ((rows.take(others) - queries[place]) ** 2).sum(axis=1, dtype=np.float64)
            shares.append(min(1.0, float((squared <= furthest[place] + index.SAME).sum()) / index.NEAREST))
        found[str(named)] = round(statistics.mean(shares), 4)
    return found


def intrinsic_dimension(values: Float32[np.ndarray, "work value"]) -> float:
    """The number of values that works near each other differ by, of some works among all."""
    own = np.arange(min(DIMENSION_ON, len(values)))
    squared = distances_of_nearest(ArrayRows(values), values[own], own, 2)
    apart = squared[squared[:, 0] > 1e-5]
    return round(float(len(apart) / np.log(np.sqrt(apart[:, 1] / apart[:, 0])).sum()), 1)


def measure_libraries(arguments: argparse.Namespace) -> dict[str, Any]:
    """The index beside a graph (HNSW) by usearch, with one byte a value, on the first works."""
    _, rows = mapped(arguments)
    values = rows.take(slice(0, COMPARED))
    own = drawn_rows(COMPARED, index.QUERIES, 4)
    furthest = distances_of_nearest(ArrayRows(values), values[own], own, index.NEAREST)[:, -1:]

    def recall(named: np.ndarray) -> float:
        shares = []
        for place, row in enumerate(named):
            others = row[(row >= 0) & (row != own[place])]
            squared = ((values[others] - values[own[place]]) ** 2).sum(axis=1, dtype=np.float64)
            shares.append(min(1.0, float((squared <= furthest[place] + index.SAME).sum()) / index.NEAREST))
        return round(statistics.mean(shares), 4)

    def seconds(job: Callable[[], Any]) -> tuple[float, Any]:
        begun = time.process_time()
        found = job()
        return time.process_time() - begun, found

    path = arguments.folder / "libraries.faiss"
    sizes = library.Sizes.of(COMPARED, WIDTH)
    sample = values[drawn_rows(COMPARED, sizes.trained_on, 1)]
    built, _ = seconds(lambda: library.build(path, sizes, sample, iter([values]), lambda _done: None))
    opened = library.open_file(path)
    asked, named = seconds(lambda: opened.near(values[own], index.CANDIDATES, 16))
    found: dict[str, Any] = {"works": COMPARED, "queries": len(own)}
    found["faiss, inverted file with product quantisation"] = {
        "processor_seconds_a_million_works": round(built / COMPARED * 1e6),
        "bytes_of_a_work": round(path.stat().st_size / COMPARED),
        "processor_milliseconds_of_a_query": round(1e3 * asked / len(own), 2),
        "recall": recall(named),
        "recall_of_the_first_256": recall(named[:, :256]),
    }
    path.unlink()
    usearch: Any = import_module("usearch.index")
    graph = usearch.Index(ndim=WIDTH, metric="cos", dtype="i8", connectivity=16, expansion_add=128)
    built, _ = seconds(lambda: graph.add(np.arange(COMPARED), values, threads=1))
    graph.expansion_search = 256
    asked, matches = seconds(lambda: graph.search(values[own], 256, threads=1))
    found["usearch, graph (HNSW) of bytes"] = {
        "processor_seconds_a_million_works": round(built / COMPARED * 1e6),
        "bytes_of_a_work": round(graph.memory_usage / COMPARED),
        "processor_milliseconds_of_a_query": round(1e3 * asked / len(own), 2),
        "recall_of_the_first_256": recall(matches.keys.astype(np.int64)),
    }
    return found


def _emoji(folder: Path) -> Iterator[Float32[np.ndarray, "image channel height width"]]:
    files = sorted(folder.rglob("*.png"))
    return (np.stack([_picture(file) for file in files[k : k + 64]]) for k in range(0, len(files), 64))


def _picture(file: Path) -> Float32[np.ndarray, "channel height width"]:
    with Image.open(file) as opened:
        white = Image.new("RGBA", opened.size, "white")
        white.alpha_composite(opened.convert("RGBA"))
        return np.moveaxis(np.asarray(white.convert("RGB"), dtype=np.float32) / 255.0, -1, 0)


def _cifar(folder: Path) -> Iterator[Float32[np.ndarray, "image channel height width"]]:
    with Image.open(next(folder.glob("*.webp"))) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).reshape(100, 32, 100, 32, 3).transpose(0, 2, 4, 1, 3)
    images = pixels.reshape(-1, 3, 32, 32)
    return (np.asarray(images[k : k + 64], dtype=np.float32) / 255.0 for k in range(0, len(images), 64))


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
