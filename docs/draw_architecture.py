"""Draws the rooms of every package in layers, from their imports, into docs/architecture.md.

    python docs/draw_architecture.py            writes the drawing
    python docs/draw_architecture.py --check    exits with 1 if the page has another one

A room stands above every room that it imports from. The number beside a room counts its modules.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import grimp

PAGE = Path(__file__).parent / "architecture.md"
BEGIN, END = "<!-- drawing: begin -->", "<!-- drawing: end -->"
PACKAGES = {
    "cli": "parses, calls, prints, exits",
    "reports": "what can be shown for an output",
    "attribution": "what caused an output",
    "registry": "what exists and whose it is",
}
WIDTH = 92


def drawing() -> str:
    """All packages, from the one that imports the others down to the one that imports none."""
    graph = grimp.build_graph(*PACKAGES, "templates")
    return "\n\n".join(_package(graph, name) for name in PACKAGES)


def _package(graph: grimp.ImportGraph, name: str) -> str:
    below = [other for other in PACKAGES if other != name and _imports(graph, name, other)]
    title = f"{name}: {PACKAGES[name]}" + (f"   (imports {', '.join(below)})" if below else "   (imports no other)")
    root = f"{name}.commands" if name == "cli" else name
    layers = _layers(graph, graph.find_children(root))
    lines = [f"| {_row(graph, layer):<{WIDTH - 4}} |" for layer in layers]
    edge = "+" + "-" * (WIDTH - 2) + "+"
    return "\n".join([title, edge, *lines, edge])


def _imports(graph: grimp.ImportGraph, importer: str, imported: str) -> bool:
    return graph.direct_import_exists(importer=importer, imported=imported, as_packages=True)


def _layers(graph: grimp.ImportGraph, rooms: set[str]) -> list[list[str]]:
    """Rooms that import no other room come last, and every other one above all that it imports.

    Raises:
        ValueError: two rooms import each other, directly or through others.
    """
    uses = {room: {other for other in rooms - {room} if _imports(graph, room, other)} for room in rooms}
    layers: list[list[str]] = []
    placed: set[str] = set()
    while placed != rooms:
        layer = sorted(room for room in rooms - placed if uses[room] <= placed)
        if not layer:
            raise ValueError(f"a circle of imports among {', '.join(sorted(rooms - placed))}")
        layers.append(layer)
        placed.update(layer)
    return layers[::-1]


def _row(graph: grimp.ImportGraph, layer: Iterable[str]) -> str:
    """``name (modules)`` for every room; a single module has no number."""
    cells = []
    for room in layer:
        modules = sum(1 for module in graph.find_descendants(room) if not graph.find_children(module))
        cells.append(room.rpartition(".")[2] + (f" ({modules})" if modules else ""))
    return "   ".join(cells)


def with_drawing(page: str) -> str:
    """The page with the drawing of today between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n```text\n{drawing()}\n```\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the drawing, or compare it with the page's."""
    page = PAGE.read_text(encoding="utf-8")
    drawn = with_drawing(page)
    if "--check" in arguments:
        return int(drawn != page)
    PAGE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
