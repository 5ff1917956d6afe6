"""The base's tokenizer: CLIP's byte pairs, cut to the merges that English learns first.

Merges are ordered; a prefix of them is a tokenizer of its own, with longer sequences. The
vocabulary is CLIP's (MIT), as the ``open_clip_torch`` package holds it.
"""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.denoisers.libraries import transformers

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

MERGES = 6000
LENGTH = 32
"""Tokens of a caption, with its start and end."""


def clip_tokenizer() -> CLIPTokenizer:
    """The tokenizer; ``save_pretrained`` writes it."""
    found = importlib.util.find_spec("open_clip")
    if found is None or found.origin is None:
        raise SystemExit("the vocabulary is open_clip's: pip install open_clip_torch")
    packed = (Path(found.origin).parent / "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = [tuple(line.split()) for line in gzip.decompress(packed).decode().split("\n")[1 : 1 + MERGES]]
    characters = _byte_characters()
    pieces = [*characters, *(f"{character}</w>" for character in characters), *map("".join, merges)]
    vocabulary = {piece: place for place, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    return transformers().CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        model_max_length=LENGTH,
        pad_token="<|endoftext|>",  # noqa: S106 - a token of text
    )


def _byte_characters() -> list[str]:
    """A visible character for every byte, in the order of GPT-2's vocabulary."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(visible)
    return [chr(code) for code in (*visible, *range(256, 256 + others))]
