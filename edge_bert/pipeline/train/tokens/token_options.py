"""What can be asked of cuts of tokens: checks before anything trains."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.train.options import TokensOptions
from edge_bert.pipeline.train.start_model import StartModel, name_grid, open_model, open_teacher
from edge_bert.records.token_cuts import FORMAT_VERSION, MOST_CUTS, Cuts, TokenCut, TokenSchedule
from edge_bert.records.training import TrainingSettings


def choose_cuts(options: TokensOptions) -> Cuts:
    """The cuts that the options ask for. Raises InputError for options that cannot be."""
    after, keep = options.after, options.keep
    if len(after) != len(keep) or not 1 <= len(after) <= MOST_CUTS:
        raise InputError(
            f"--after names {len(after)} layers and --keep {len(keep)} shares; give a share for "
            "each layer, such as --after 2,4 --keep 70%,50%."
        )
    if options.epochs < 0:
        raise InputError(f"--epochs {options.epochs}: give 0, which trains nothing, or more.")
    if options.epochs and not options.data and not options.text:
        raise InputError(
            "Neither --data nor --text is given; give texts to recover on, or --epochs 0 for cuts "
            "without training."
        )
    cuts = tuple(_read_cuts(after, keep))
    try:
        TokenSchedule(FORMAT_VERSION, cuts)
    except ValueError:
        raise InputError(
            f"--after {_join(after)} --keep {','.join(f'{share:.4%}' for share in keep)}: give "
            "layers in rising order and shares of the whole text in falling order, such as "
            "--after 2,4 --keep 70%,50%."
        ) from None
    return cuts


def choose_settings(options: TokensOptions) -> TrainingSettings:
    """The settings of the loop, which runs where there are epochs. Raises InputError for one that
    cannot be."""
    return msgspec.structs.replace(options, epochs=max(options.epochs, 1)).settings


def _read_cuts(after: tuple[int, ...], keep: tuple[float, ...]) -> Iterator[TokenCut]:
    if min(after) < 1:
        raise InputError(f"--after {_join(after)}: give numbers of layers from 1, such as 2,4.")
    for layer, share in zip(after, keep, strict=True):
        percent = round(100 * share)
        if abs(100 * share - percent) > 1e-9 or not 1 <= percent <= 99:
            raise InputError(f"--keep {100 * share:g}%: give whole percentages from 1% to 99%.")
        yield TokenCut(layer, percent)


def check_cut_places(after: tuple[int, ...], layers: int) -> None:
    """Raise InputError for a cut that is not before the last of so many layers."""
    if after[-1] >= layers:
        raise InputError(
            f"--after {_join(after)}: the model has {layers} layers, and fewer tokens after the "
            f"last save nothing; give 1 to {layers - 1}."
            if layers > 1
            else f"--after {_join(after)}: a model of one layer has no layers after a cut."
        )


def open_start(options: TokensOptions) -> StartModel:
    """The model that gets cuts; it teaches itself where there are texts.

    Raises ModelError for one that cannot have them, or whose weights lie on a grid that training
    would leave.
    """
    opening = open_teacher if options.data or options.text else open_model
    model = opening(options.model)
    grid = name_grid(model.checkpoint)
    if grid is not None:
        raise ModelError(
            f"{model.checkpoint.name} {grid}, which cuts of tokens would spoil; cut the tokens of "
            "the model that it comes from, and do the same again afterwards."
        )
    check_cut_places(options.after, model.weights.config.layers)
    return model


def _join(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
