"""Networks with a published latency, rebuilt with random weights: they do not change latency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.errors import InputError
from edge_bert.store.scratch import scratch_folder

# Name in the published tables: class in keras.applications, and its own options.
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "MobileNetV1-0.25": ("MobileNet", {"alpha": 0.25}),
    "MobileNetV1-0.50": ("MobileNet", {"alpha": 0.5}),
    "MobileNetV1-1.0": ("MobileNet", {}),
    "MobileNetV2-1.0": ("MobileNetV2", {}),
    "MobileNetV3-Large": ("MobileNetV3Large", {"include_preprocessing": False}),
    "MobileNetV3-Small": ("MobileNetV3Small", {"include_preprocessing": False}),
}
SEED = 0
CALIBRATION_IMAGES = 4
Precision = Literal["fp32", "int8"]


def build_published_network(name: str, pixels: int, precision: Precision) -> bytes:
    """A `.tflite` file of the network for one image [1, pixels, pixels, 3].

    `int8` is full-integer, made by TensorFlow's own converter from random images. Raises
    InputError for a network that is not in NETWORKS.
    """
    if name not in NETWORKS:
        raise InputError(f"No published network is called {name!r}; there are {list(NETWORKS)}.")
    import_tensorflow()
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    builder, options = NETWORKS[name]
    shape = (pixels, pixels, 3)
    network = getattr(keras.applications, builder)(input_shape=shape, weights=None, **options)
    with scratch_folder() as folder:
        specs = [keras.InputSpec(shape=(1, *shape), dtype="float32")]
        network.export(str(folder), input_signature=specs, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        if precision == "int8":
            _set_full_integer(tf, converter, shape)
        return bytes(converter.convert())


def _set_full_integer(tf: Any, converter: Any, shape: tuple[int, int, int]) -> None:
    def images() -> Iterator[list[Any]]:
        random = np.random.default_rng(SEED)
        for _ in range(CALIBRATION_IMAGES):
            yield [random.uniform(-1, 1, (1, *shape)).astype(np.float32)]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = images
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
