"""Reading of `--structure`: a JSON file that says what of a model is kept."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.candidate import SearchResult, Structure
from edge_bert.text import one_line

MAX_BYTES = 64 * 1024 * 1024


def read_structure(path: str, vocabulary: int) -> Structure:
    """The structure in a JSON file: a Structure, or a search's result, whose chosen one it is.

    Without a vocabulary it has all tokens of the model, which has so many. Raises InputError for
    a file that is none, and for another vocabulary.
    """
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        content = json.loads(file.read_bytes())
        if isinstance(content, dict) and "chosen" in content:
            structure = _find_chosen(msgspec.convert(content, SearchResult))
        else:
            fields = {"vocabulary": vocabulary} | dict(content)
            structure = msgspec.convert(fields, Structure)
    except (OSError, ValueError, TypeError, msgspec.ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else one_line(error, 200)
        raise InputError(
            f"--structure {path[-200:]}: no structure can be read ({reason}); give JSON with "
            "layers, heads and ffn, or a bundle's search.json."
        ) from error
    if structure.vocabulary != vocabulary:
        raise InputError(
            f"--structure {path[-200:]} has {structure.vocabulary} tokens, and the model has "
            f"{vocabulary}; a vocabulary is trimmed by `build`, after training."
        )
    return structure


def _find_chosen(result: SearchResult) -> Structure:
    if result.chosen is None:
        raise ValueError("the search found nothing within its budget")
    return result.chosen.candidate.structure
