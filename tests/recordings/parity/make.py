"""Records what transformers' PyTorch models give, so that parity is tested without PyTorch.

    pip install "edge-bert[torch]"
    python -m tests.recordings.parity.make            # the tiny models
    python -m tests.recordings.parity.make --minilm   # all-MiniLM-L6-v2 too (downloads it once)

Tokens come from transformers' own tokenizers, and pooling and normalisation are written here as
sentence-transformers documents them, so that nothing of edge-bert's arithmetic is compared with
itself. The tiny models are seeded and PyTorch runs one thread in float32: a second run on one
machine gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from tests.tiny.sentences import PAIRS, SENTENCES
from tests.tiny.variants import VARIANTS, write_variant

HERE = Path(__file__).resolve().parent
MAX_LENGTH = 128
ROWS_PER_BATCH = 16
# The tokens of each kind of tokenizer are recorded once, with these variants.
TOKENS_OF = {
    "wordpiece": "bert-mean",
    "byte_level": "roberta-mean",
    "unigram": "albert-cls",
    "bare_byte_level": "gpt2-last",
    "sentencepiece": "xlm-roberta-cls",
    "sentencepiece_of_camembert": "camembert-mean",
    "wordpiece_of_mpnet": "mpnet-cls",
}
KIND_OF = {
    "roberta": "byte_level",
    "albert": "unigram",
    "gpt2": "bare_byte_level",
    "xlm-roberta": "sentencepiece",
    "camembert": "sentencepiece_of_camembert",
    "mpnet": "wordpiece_of_mpnet",
}
Arrays = dict[str, np.ndarray]


def tokens(folder: Path, *, pairs: bool = False) -> list[dict[str, list[int]]]:
    """Ids and segments of the recorded sentences (or pairs) from transformers' own tokenizer.

    All segments are 0 where it gives none unasked, as its model then takes them.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [
        dict(tokenizer(*texts, truncation=True, max_length=MAX_LENGTH))
        for texts in (PAIRS if pairs else [(sentence,) for sentence in SENTENCES])
    ]
    return [{"token_type_ids": [0] * len(row["input_ids"])} | row for row in rows]


def outputs(folder: Path, rows: Sequence[Mapping[str, Sequence[int]]], head: str) -> np.ndarray:
    """What PyTorch gives for tokenized `rows`, in batches padded to their longest: float32 [n, m].

    `head` is what `tests.tiny.models.write` takes. MobileBERT gets every row by itself, because
    padding is a neighbour of the last token there. A row without tokens gets zeros.
    """
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification

    torch.set_num_threads(1)
    kind = AutoModelForSequenceClassification if head == "classification" else AutoModel
    model, notes = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    missing = [key for key in notes["missing_keys"] if "pooler" not in key or kind is not AutoModel]
    if missing or notes["unexpected_keys"] - {"embeddings.position_ids"}:
        raise ValueError(f"{folder} is not what transformers expects: {notes}")
    step = 1 if model.config.model_type == "mobilebert" else ROWS_PER_BATCH
    parts = [rows[at : at + step] for at in range(0, len(rows), step)]
    if model.config.pad_token_id is None:
        model.config.pad_token_id = model.config.eos_token_id
    with torch.inference_mode():
        return np.concatenate([_forward(torch, model.eval(), part, head) for part in parts])


def _forward(torch: Any, model: Any, rows: Sequence[Any], head: str) -> np.ndarray:
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.full((len(rows), longest), model.config.pad_token_id)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for at, row in enumerate(rows):
        ids[at, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        types[at, : len(row["input_ids"])] = torch.tensor(row["token_type_ids"])
        mask[at, : len(row["input_ids"])] = 1
    inputs = {"input_ids": ids, "attention_mask": mask}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = types
    found = model(**inputs)
    if head == "classification":
        outputs = found.logits
    else:
        outputs = _pooled(torch, found.last_hidden_state, mask, head)
    return torch.where(mask.sum(1, keepdim=True) > 0, outputs, 0.0).numpy()


def _pooled(torch: Any, vectors: Any, mask: Any, head: str) -> Any:
    if head.startswith("cls"):
        pooled = vectors[:, 0]
    elif head.startswith("last"):
        pooled = vectors[torch.arange(len(vectors)), mask.sum(1) - 1]
    else:
        expanded = mask.unsqueeze(-1).expand(vectors.size()).float()
        pooled = torch.sum(vectors * expanded, 1) / torch.clamp(expanded.sum(1), min=1e-9)
    if head.endswith("-normalize"):
        pooled = torch.nn.functional.normalize(pooled, p=2, dim=1)
    return pooled


def digest(folder: Path) -> str:
    """The weights that a reference was recorded of."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def packed(rows: Sequence[Mapping[str, Sequence[int]]]) -> Arrays:
    """Tokenized rows as two arrays int16 [n, longest], -1 after the end."""
    longest = max(len(row["input_ids"]) for row in rows)
    arrays = {}
    for name in ("input_ids", "token_type_ids"):
        arrays[name] = np.full((len(rows), longest), -1, np.int16)
        for at, row in enumerate(rows):
            arrays[name][at, : len(row[name])] = row[name]
    return arrays


def unpacked(arrays: Mapping[str, np.ndarray]) -> list[dict[str, list[int]]]:
    """The rows that were given to `packed`."""
    return [
        {name: array[at][array[at] >= 0].tolist() for name, array in arrays.items()}
        for at in range(len(arrays["input_ids"]))
    ]


def read(file: str) -> tuple[Arrays, dict[str, str]]:
    """A recording in this folder: its arrays, and the digests and versions beside them."""
    with safe_open(HERE / file, framework="numpy") as stored:
        arrays = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
        return arrays, json.loads(stored.metadata()["notes"])


def _save(file: str, arrays: Arrays, digests: Mapping[str, str]) -> None:
    import torch
    import transformers

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    # One entry, because safetensors writes several in no certain order.
    notes = json.dumps({**digests, **versions}, sort_keys=True)
    save_file(arrays, HERE / file, metadata={"notes": notes})
    (HERE / file).chmod(0o644)


def record_tiny() -> None:
    """Write `tiny.safetensors`: tokens of both kinds, and the outputs of every variant."""
    arrays: Arrays = {}
    digests = {}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: write_variant(Path(scratch) / name, name) for name in VARIANTS}
        for kind, name in TOKENS_OF.items():
            for which in ("sentences", "pairs"):
                rows = tokens(folders[name], pairs=which == "pairs")
                arrays |= {f"{kind}.{which}.{key}": part for key, part in packed(rows).items()}
        for name, folder in folders.items():
            digests[name] = digest(folder)
            for which in ("sentences", "pairs"):
                rows = tokens(folder, pairs=which == "pairs")
                arrays[f"{name}.{which}"] = outputs(folder, rows, VARIANTS[name][1])
    _save("tiny.safetensors", arrays, digests)


def record_minilm() -> None:
    """Write `minilm.safetensors`: tokens and embeddings of the real model."""
    from edge_bert.sources.load import load_checkpoint
    from edge_bert.store import cache

    folder = load_checkpoint(None, cache.cache_folder("models")).folder
    rows = tokens(folder)
    arrays = packed(rows) | {"sentences": outputs(folder, rows, "mean-normalize")}
    _save("minilm.safetensors", arrays, {"all-MiniLM-L6-v2": digest(folder)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minilm", action="store_true", help="record the real model too")
    record_tiny()
    if parser.parse_args().minilm:
        record_minilm()
