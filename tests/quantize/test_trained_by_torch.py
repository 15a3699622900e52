"""Files hold the very integers of models that PyTorch's own quantization really trained."""

from __future__ import annotations

import functools
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file, save_file

from edge_bert.convert import keras_to_tflite
from edge_bert.quantize.apply_recipe import apply_weight_recipe
from edge_bert.records.recipe import WI8_AFP32
from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.torch_quantized import read_quantized
from edge_bert.sources.weights import read_weights
from tests.quantize import small_models as small
from tests.quantize.grids import list_matrices, stored_codes
from tests.tiny import models

Array = npt.NDArray[Any]
torch = pytest.importorskip("torch", reason="pip install 'edge-bert[torch]'")
STEPS = 4
# By PyTorch's configurations: per channel, and one scale for all.
LEAST = {"get_default_qat_qconfig": -128, "default_symmetric_qnnpack_qat_qconfig": -127}


@functools.cache
def trained(qconfig: str) -> Any:
    """A tiny BERT after some steps of PyTorch's eager QAT, observers stopped."""
    from torch.ao import quantization
    from transformers import BertModel

    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        model = BertModel.from_pretrained(models.write(Path(folder) / "m", "bert"))
    model.train()
    config = getattr(quantization, qconfig)
    model.encoder.qconfig = config() if callable(config) else config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.ao.quantization moves
        quantization.prepare_qat(model, inplace=True)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    ids = torch.randint(5, 600, (8, 12))
    for _ in range(STEPS):
        loss = model(ids).last_hidden_state[:, 0].square().sum(dim=1).sub(3).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model(ids)  # the scales follow the weights of the last step
    return model.apply(quantization.disable_observer)


def integers(model: Any) -> dict[str, Array]:
    """What PyTorch makes of the layers' matrices as it trained them, by the names of the weights.

    Not by `convert`: that takes other scales than the fused operator, which training ran.
    """
    found = {}
    for name, module in model.named_modules():
        if hasattr(module, "weight_fake_quant"):
            quantizer = module.weight_fake_quant
            scale = quantizer.scale.reshape(-1, 1)
            found[f"{name}.weight"] = (quantizer(module.weight) / scale).round().detach().numpy()
    return found


def state_dict(model: Any) -> dict[str, Array]:
    """The tensors as they are saved: floats, fake quantizers and observers."""
    return {name: np.array(x.detach().numpy()) for name, x in model.state_dict().items()}


def written_back(model: Any) -> dict[str, Array]:
    """Floats alone: what the fake quantizers make of each weight."""
    tensors = {name: x for name, x in state_dict(model).items() if "_" not in name.split(".")[-2]}
    for name, module in model.named_modules():
        if hasattr(module, "weight_fake_quant"):
            tensors[f"{name}.weight"] = module.weight_fake_quant(module.weight).detach().numpy()
    return {name: x for name, x in tensors.items() if "fake_quant" not in name}


@pytest.mark.parametrize("qconfig", LEAST)
def test_a_qat_state_dict_is_read_as_what_pytorch_trained(qconfig: str, tmp_path: Path) -> None:
    """Bit for bit what its fake quantizers make of each weight, and so what floats alone hold."""
    model = trained(qconfig)
    path = tmp_path / "model.safetensors"
    save_file(state_dict(model), path)
    weights = read_quantized(read_weights(path)).weights
    codes, floats = integers(model), written_back(model)
    assert min(x.min() for x in codes.values()) == LEAST[qconfig]
    assert max(x.max() for x in codes.values()) == 127
    assert len(codes) == 12
    for name in codes:
        np.testing.assert_array_equal(weights[name], floats[name], err_msg=name)


def test_a_state_dict_of_fx_qat_is_read_too(tmp_path: Path) -> None:
    """Its observers of activations have other names; the weights' have the same."""
    from torch.ao import quantization
    from torch.ao.quantization.quantize_fx import prepare_qat_fx

    torch.manual_seed(0)
    rows, layers = torch.randn(32, 16), torch.nn.Sequential(torch.nn.Linear(16, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao.quantization moves
        mapping = quantization.get_default_qat_qconfig_mapping("x86")
        model = prepare_qat_fx(layers.train(), mapping, (rows,))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(STEPS):
        model(rows).square().mean().backward()
        optimizer.step()
    model(rows)
    model.apply(quantization.disable_observer)
    path = tmp_path / "model.safetensors"
    save_file(state_dict(model), path)
    quantized = read_quantized(read_weights(path))
    layer = model.get_submodule("0")
    wanted = layer.weight_fake_quant(layer.weight).detach().numpy()
    np.testing.assert_array_equal(quantized.weights["0.weight"], wanted)
    assert sorted(quantized.weights) == ["0.bias", "0.weight"]
    assert "activation_post_process_0" in quantized.warnings[0]


def test_the_file_has_the_integers_that_pytorch_trained(tmp_path: Path) -> None:
    """-128, which int8 weights lack, is -127."""
    model = trained("get_default_qat_qconfig")
    folder = models.write(tmp_path / "m", "bert")
    path = folder / "model.safetensors"
    save_file(load_file(path) | state_dict(model), path)
    checkpoint = load_checkpoint(str(folder), tmp_path)
    float_model = keras_to_tflite.convert_to_tflite(checkpoint, (16,))
    stored = stored_codes(apply_weight_recipe(float_model, WI8_AFP32, small.HOST))
    wanted = integers(model)
    places = list_matrices(wanted)
    assert len(places) == len(stored) == 12
    for layer, role, name in places:
        codes = np.maximum(wanted[name], -127)
        np.testing.assert_array_equal(stored[layer, role], codes, err_msg=name)
