"""sentence-transformers' modules: what is read of them, and what is refused by its name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, HeadModuleKind, Pooling
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny.models import change_json, write_json
from tests.tiny.sentence_modules import (
    MODES,
    UNIT,
    Module,
    dense,
    layer_norm,
    pooling,
    pooling_flags,
    write_model,
)

POOLINGS = {
    "cls": Pooling.CLS,
    "max": Pooling.MAX,
    "mean": Pooling.MEAN,
    "mean_sqrt_len_tokens": Pooling.MEAN_SQRT_LENGTH,
    "weightedmean": Pooling.WEIGHTED_MEAN,
    "lasttoken": Pooling.LAST,
}
DROPOUT: Module = ("Dropout", {"dropout": 0.1})


def _load(folder: Path) -> Checkpoint:
    return load_checkpoint(str(folder), folder.parent)


@pytest.mark.parametrize("mode", MODES)
def test_both_spellings_of_every_pooling_are_read(mode: str, tmp_path: Path) -> None:
    """sentence-transformers wrote one flag per mode, and writes the mode's name."""
    for number, module in enumerate((pooling(mode), pooling_flags(mode))):
        head = _load(write_model(tmp_path / str(number), [module])).head
        assert head.poolings == (POOLINGS[mode],)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (pooling("mean", "cls"), (Pooling.MEAN, Pooling.CLS)),
        (pooling_flags("mean", "cls"), (Pooling.CLS, Pooling.MEAN)),
        (pooling_flags(*MODES), tuple(POOLINGS.values())),
        (pooling_flags(), (Pooling.MEAN,)),
        (("Pooling", {"embedding_dimension": 32}), (Pooling.MEAN,)),
        (("Pooling", {"pooling_mode": "cls", "pooling_mode_max_tokens": True}), (Pooling.CLS,)),
    ],
)
def test_poolings_stand_in_sentence_transformers_order(
    module: Module, expected: tuple[Pooling, ...], tmp_path: Path
) -> None:
    """A list as it is written, old flags in the order of the class, none as the mean."""
    assert _load(write_model(tmp_path / "m", [module])).head.poolings == expected


def test_layers_are_read_in_order_with_their_weights(tmp_path: Path) -> None:
    """Dropout does nothing; unit length at the end is the head's, elsewhere a layer."""
    modules = [pooling("mean", "max"), UNIT, dense(64, 48, "gelu"), DROPOUT, layer_norm(48), UNIT]
    model = _load(write_model(tmp_path / "m", modules))
    kinds = [module.kind for module in model.head_modules]
    assert kinds == [
        HeadModuleKind.UNIT_LENGTH,
        HeadModuleKind.DENSE,
        HeadModuleKind.LAYER_NORM,
    ]
    assert model.head.normalize
    assert [module.activation for module in model.head_modules][1] == "gelu"
    assert model.weights["3_Dense.linear.weight"].shape == (48, 64)
    assert model.weights["5_LayerNorm.norm.bias"].shape == (48,)


def test_a_dense_layer_without_a_name_for_its_activation_has_tanh(tmp_path: Path) -> None:
    """The default of sentence-transformers' class."""
    kind, config = dense(32, 8)
    bare = {key: value for key, value in config.items() if key != "activation_function"}
    model = _load(write_model(tmp_path / "m", [pooling("mean"), (kind, bare)]))
    assert model.head_modules[0].activation == "tanh"


def test_the_digest_covers_the_layers_files(tmp_path: Path) -> None:
    """Two models that differ in a layer's weights or options are two models."""
    modules = [pooling("mean"), dense(32, 16)]
    plain = _load(write_model(tmp_path / "m", modules)).sha256
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "m", other)
    change_json(other / "2_Dense" / "config.json", bias=True, activation_function=None)
    assert _load(other).sha256 != plain
    (tmp_path / "m" / "2_Dense" / "model.safetensors").write_bytes(
        (
            write_model(tmp_path / "seeded", modules, seed=1) / "2_Dense/model.safetensors"
        ).read_bytes()
    )
    assert _load(tmp_path / "m").sha256 != plain


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"activation_function": "torch.nn.modules.activation.Mish"}, "Mish"),
        ({"activation_function": "os.system"}, "os.system"),
        ({"activation_function": "my.Tanh"}, "my.Tanh"),
        ({"activation_function": 3}, "activation_function"),
        ({"use_residual": True}, "use_residual"),
        ({"module_input_name": "token_embeddings"}, "token_embeddings"),
        ({"module_output_name": "scores"}, "scores"),
        ({"bias": "yes"}, "bias"),
        ({"in_features": None}, "in_features"),
        ({"out_features": -3}, "out_features"),
        ({"out_features": True}, "out_features"),
        ({"out_features": 2**40}, "out_features"),
    ],
)
def test_a_dense_layer_that_we_do_not_have_is_refused(
    change: dict[str, Any], match: str, tmp_path: Path
) -> None:
    """By the name of what it asks for; no class that it names is imported."""
    folder = write_model(tmp_path / "m", [pooling("mean"), dense(32, 16)])
    change_json(folder / "2_Dense" / "config.json", **change)
    with refused(ModelError, match):
        _load(folder)


@pytest.mark.parametrize(
    ("modules", "match"),
    [
        ([], "one Pooling"),
        ([dense(32, 16), pooling("mean")], "one Pooling right behind"),
        ([pooling("mean"), pooling("cls")], "one Pooling"),
        ([pooling("mean"), ("Transformer", {})], "keeps the encoder|one Pooling"),
        ([pooling("mean"), ("WordWeights", {})], "WordWeights"),
        ([("SpladePooling", {})], "SpladePooling"),
        ([("StaticEmbedding", {})], "StaticEmbedding"),
        ([pooling("median")], "median"),
        ([("Pooling", {"pooling_mode": []})], "pooling_mode"),
        ([("Pooling", {"pooling_mode": [["mean"]]})], "pooling_mode"),
        ([("Pooling", {"pooling_mode_median_tokens": True})], "pooling_mode_median_tokens"),
        ([pooling("mean"), ("Normalize", {"module_input_name": "token_embeddings"})], "token_emb"),
        ([pooling("mean"), ("LayerNorm", {"dimension": 0})], "dimension"),
    ],
)
def test_modules_that_give_something_else_are_refused(
    modules: list[Module], match: str, tmp_path: Path
) -> None:
    """Nothing takes the place of a module that is not understood."""
    folder = write_model(tmp_path / "m", [pooling("mean")])
    shutil.rmtree(folder / "1_Pooling")
    with refused(ModelError, match):
        _load(write_model(folder, modules))


@pytest.mark.parametrize("kind", ["pylate.models.Dense", "custom_st.Dense", "evil\nline.Dense"])
def test_a_class_of_another_package_is_refused(kind: str, tmp_path: Path) -> None:
    """Its name may be ours, what it computes is its own."""
    folder = write_model(tmp_path / "m", [pooling("mean"), dense(32, 16)])
    entries = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        {"type": kind, "path": "2_Dense"},
    ]
    write_json(folder / "modules.json", entries)
    with refused(ModelError, "asks for .*Dense"):
        _load(folder)


def test_pickled_weights_of_a_layer_are_not_read(tmp_path: Path) -> None:
    """Old Dense folders hold pytorch_model.bin only."""
    folder = write_model(tmp_path / "m", [pooling("mean"), dense(32, 16)])
    (folder / "2_Dense/model.safetensors").rename(folder / "2_Dense/pytorch_model.bin")
    with refused(ModelError, "2_Dense holds pickled weights"):
        _load(folder)


@pytest.mark.parametrize(
    "modules", [[dense(16, 8)], [layer_norm(16)], [dense(32, 16), dense(8, 4)]]
)
def test_layers_that_do_not_fit_each_other_are_refused(
    modules: list[Module], tmp_path: Path
) -> None:
    """When the encoder is put together, by the name of the array."""
    model = _load(write_model(tmp_path / "m", [pooling("mean"), *modules]))
    with refused(ModelError, "_(Dense|LayerNorm)\\."):
        encoder_weights(model)


def test_the_authors_dimensions_are_obeyed(tmp_path: Path) -> None:
    """As encode does: unit length first where the modules have it, then the cut."""
    model = _load(write_model(tmp_path / "m", [pooling("mean"), UNIT], truncate_dim=8))
    assert (model.head.dimensions, model.head.normalize) == (8, False)
    assert [module.kind for module in model.head_modules] == [HeadModuleKind.UNIT_LENGTH]


@pytest.mark.parametrize("value", [0, -1, True, "8", 1.5])
def test_dimensions_that_are_none_are_refused(value: object, tmp_path: Path) -> None:
    """They are a number of channels."""
    folder = write_model(tmp_path / "m", [pooling("mean")])
    write_json(folder / "config_sentence_transformers.json", {"truncate_dim": value})
    with refused(ModelError, "truncate_dim"):
        _load(folder)
