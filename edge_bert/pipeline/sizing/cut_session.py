"""`invoke build --structure`: the sub-network of a super-network that a file names."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.errors import InputError
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.sizing.session import SizingSession
from edge_bert.pipeline.sizing.structure_file import read_structure
from edge_bert.records.candidate import Structure
from edge_bert.records.supernet import SubnetworkGrid
from edge_bert.text import list_some


def cut_session(session: BuildSession, path: str) -> BuildSession:
    """The session that builds the sub-network whose structure is in the file at `path`.

    Raises InputError for a file that holds none, a model without sub-networks, and a structure that
    was not among those trained.
    """
    sizing = SizingSession(session)
    if sizing.supernet is None:
        raise InputError(
            f"--structure cuts a sub-network, and {session.checkpoint.name} has none; train them "
            "with `invoke supernet`, or one model with `invoke distill --structure`."
        )
    structure = read_structure(path, session.weights.config.vocabulary)
    _check_trained(structure, sizing.supernet.grid)
    return sizing.for_structure(structure)


def _check_trained(structure: Structure, grid: SubnetworkGrid) -> None:
    """Raise InputError for layers that never stood alone, and for fewer units than were trained.

    Between the fewest and all of a layer any number may be taken: the units are nested.
    """
    if structure.layers not in grid.layers:
        known = list_some([",".join(map(str, layers)) for layers in grid.layers])
        raise InputError(
            f"--structure: the layers {','.join(map(str, structure.layers))} were not trained "
            f"without the others; take {known}."
        )
    place = grid.layers.index(structure.layers)
    _check_counts("heads", structure.heads, [choice[place] for choice in grid.heads])
    _check_counts("ffn", structure.ffn, [choice[place] for choice in grid.ffn])


def _check_counts(name: str, counts: Sequence[int], choices: Sequence[Sequence[int]]) -> None:
    for index, (count, *trained) in enumerate(zip(counts, *choices, strict=True)):
        if not min(trained) <= count <= max(trained):
            raise InputError(
                f"--structure: {name} has {count} at place {index}, where {min(trained)} to "
                f"{max(trained)} were trained."
            )
