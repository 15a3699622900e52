"""The options of an export, with their defaults."""

from __future__ import annotations

from pathlib import Path

from edge_bert.data.calibration import DEFAULT_COUNT
from edge_bert.errors import InputError
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.records.base import Record
from edge_bert.records.recipe import RECIPES

ANY_PROFILE = "pixel"  # these files are for no device
SYMMETRIC = "wi8_ai8_afp32_symmetric"  # only for TensorRT: elsewhere the other is more exact
ONNX_RECIPES = ("float32", "float16", "wi8_ai8_afp32")
TENSORRT_RECIPES = (SYMMETRIC, "float16", "float32")
# By the kind of export; TensorRT has no other zero point than 0.
DEFAULT_RECIPES = {
    "onnx": ONNX_RECIPES,
    "ort": ONNX_RECIPES,
    "triton": ("wi8_ai8_afp32",),
    "tensorrt": (SYMMETRIC,),
}


class ExportOptions(Record, frozen=True):
    """What `invoke export` takes.

    `to` is onnx, ort (onnxruntime's own format as well), triton or tensorrt; no `recipes` means
    those that it usually gets. With `compare`, onnxruntime's own quantizers run too.
    """

    to: str = "onnx"
    model: str | None = None
    tokenizer: str | None = None
    recipes: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    out: Path | None = None
    calibration: str | None = None
    calibration_count: int = DEFAULT_COUNT
    seed: int = 0
    data: tuple[str, ...] = ()
    dimensions: int | None = None
    token_vectors: bool = False
    compare: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the export."""
        return self.out or Path("build", "onnx" if self.to == "ort" else self.to)

    @property
    def build_options(self) -> BuildOptions:
        """The options of the session that the files are made from."""
        return BuildOptions(
            profile=ANY_PROFILE,
            model=self.model,
            tokenizer=self.tokenizer,
            lengths=self.lengths,
            calibration=self.calibration,
            calibration_count=self.calibration_count,
            seed=self.seed,
            data=self.data,
            dimensions=self.dimensions,
            token_vectors=self.token_vectors,
        )


def choose_recipes(options: ExportOptions) -> tuple[str, ...]:
    """The user's recipes, or the usual ones. Raises InputError where `to` does not take them."""
    if options.to not in DEFAULT_RECIPES:
        raise InputError(f"--to {options.to}: give one of {', '.join(DEFAULT_RECIPES)}.")
    recipes = options.recipes or DEFAULT_RECIPES[options.to]
    names = (*ONNX_RECIPES, SYMMETRIC)
    for recipe in recipes:
        if recipe in RECIPES and RECIPES[recipe].weight_bits < 8:
            raise InputError(
                f"{recipe} is not exported: its weights of {RECIPES[recipe].weight_bits} bits are "
                f"made for LiteRT's kernels. Give one of {', '.join(names)}."
            )
    unknown = [recipe for recipe in recipes if recipe not in names]
    if unknown:
        raise InputError(f"No ONNX recipe is called {unknown[0]!r}; there are {', '.join(names)}.")
    if options.to == "triton" and len(recipes) > 1:
        raise InputError("--to triton serves one file; give --recipes one of them.")
    if options.to == "tensorrt" and (len(recipes) > 1 or recipes[0] not in TENSORRT_RECIPES):
        raise InputError(f"--to tensorrt takes one of the recipes {', '.join(TENSORRT_RECIPES)}.")
    return recipes
