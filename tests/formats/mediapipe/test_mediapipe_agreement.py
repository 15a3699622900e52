"""MediaPipe on the packaged file against our tokens on the same file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.evaluate.phone_tokens import find_token_differences
from edge_bert.formats.mediapipe.mediapipe_model import write_mediapipe_model
from edge_bert.records.checkpoint import Checkpoint, Head, Pooling, Task
from edge_bert.sources.load import load_checkpoint
from edge_bert.store import cache
from tests.formats.mediapipe.mediapipe_models import SPECIAL, mediapipe_text, vocabulary

NEEDS_TENSORFLOW = "TensorFlow is not installed: pip install edge-bert"
LENGTH = 32
CHANNELS = 32
ENGLISH = (
    "The quick brown fox jumps over the lazy dog.",
    "How are you today?",
    "A man is playing a guitar on the stage.",
    "Two dogs run through deep snow.",
    "The price rose by 3.5% to $12,400 in May 2021.",
    "Don't forget to call your mother!",
    "NASA launched a new telescope last year.",
    'He said: "I\'ll be back" - and he was.',
    "Rain is expected in the north, sun in the south.",
    "Can I return these shoes without a receipt?",
    "Water boils at 100 degrees at sea level.",
    "She sells sea shells by the sea shore.",
    "The committee will vote on the proposal next Tuesday.",
    "My train leaves at 7:45 from platform 9.",
    "This is the worst film I have ever seen.",
    "I loved every minute of it.",
    "Please reset my password.",
    "The cat sleeps on the warm roof.",
    "A woman slices an onion with a sharp knife.",
    "Shares fell after the company cut its forecast.",
    "Open the window; it is too hot in here.",
    "Is there a pharmacy near the station?",
    "Children are building a castle of sand.",
    "The function returns zero when the list is empty.",
    "We walked (slowly) back to the old hotel.",
    "Everyone agrees that the bridge must be repaired.",
    "Turn left at the church and go straight ahead.",
    "No refunds will be given after the concert starts.",
    "The museum opens at ten and closes at six.",
    "An apple a day keeps the doctor away.",
)
CJK = (
    "我喜欢学习语言。",
    "今天天气很好,我们去公园散步吧。",
    "人工智能正在改变世界。",
    "这本书非常有趣。",
    "他昨天在北京工作。",
    "请问火车站在哪里?",
    "我的电话号码是12345。",
    "中国有悠久的历史。",
    "东京是日本的首都。",
    "数学和物理是科学的基础。",
    "私は本を読む",
    "日本の山と川",
    "東京へ行きます",
    "水を飲む人",
    "明日は休み",
    "新年快樂",
    "學生們在圖書館讀書。",
    "手机电池用完了!",
    "咖啡还是茶?",
    "谢谢你的帮助。",
    "这家餐厅的菜很好吃。",
    "春夏秋冬",
    "雨停了,太阳出来了。",
    "海の色と空の色",
)
# Accents, other spaces, characters without width, special tokens as text.
OTHER = (
    "Ich möchte ein Öl",
    "el niño",
    "cafe\u0301",
    "no\u00a0break",
    "zero\u200bwidth",
    "the [MASK] is here",
)
# Needs a vocabulary with the parts of Hangul and kana, with Greek, Cyrillic and Devanagari.
OTHER_SCRIPTS = ("한국어", "かがみ", "καλημέρα", "Москва", "हिन्दी")


@dataclass(frozen=True)
class Pair:
    """A packaged model, what it was made from, and a way to run that."""

    tflite: bytes
    packaged: Path
    tokenizer: Path
    head: Head


def test_embeddings_agree_where_the_tokens_do(tmp_path: Path) -> None:
    """Cosine 0.9999 or more on sentences with the phone's tokens, less on all others."""
    _check_embeddings(_pair(tmp_path, _tiny_bert(tmp_path)), OTHER)


@pytest.mark.slow
@pytest.mark.model
def test_the_default_model_agrees_where_the_tokens_do(tmp_path: Path) -> None:
    """The same with all-MiniLM-L6-v2."""
    checkpoint = load_checkpoint(None, cache.cache_folder("models"))
    _check_embeddings(_pair(tmp_path, checkpoint), (*OTHER, *OTHER_SCRIPTS))


def test_a_distilled_classifier_gives_our_probabilities(tmp_path: Path) -> None:
    """A DistilBERT classifier, which has no token types, shows the softmax of its logits."""
    text = mediapipe_text()
    pair = _pair(tmp_path, _tiny_distilbert(tmp_path))
    logits = _ours(pair, ENGLISH[:8])
    wanted = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    with text.TextClassifier.create_from_model_path(str(pair.packaged)) as tool:
        for sentence, row in zip(ENGLISH[:8], wanted, strict=True):
            categories = tool.classify(sentence).classifications[0].categories
            scores = {category.category_name: category.score for category in categories}
            assert [scores[label] for label in pair.head.labels] == pytest.approx(row, abs=1e-5)
    assert np.ptp(wanted[:, 0]) > 1e-3


def _check_embeddings(pair: Pair, others: Sequence[str]) -> None:
    text = mediapipe_text()
    sentences = [*ENGLISH, *CJK, *others]
    listed = find_token_differences(sentences, pair.tokenizer, LENGTH)
    assert {found.sentence for found in listed} == set(others)
    ours = _ours(pair, sentences)
    with text.TextEmbedder.create_from_model_path(str(pair.packaged)) as embedder:
        phone = [np.asarray(embedder.embed(s).embeddings[0].embedding) for s in sentences]
    cosines = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in zip(ours, phone, strict=True)
    ]
    same = len(ENGLISH) + len(CJK)
    assert same >= 50
    assert min(cosines[:same]) >= 0.9999
    assert max(cosines[same:]) < 0.9999


def _ours(pair: Pair, sentences: Any) -> np.ndarray:
    """The output of the unpackaged file for our own tokens."""
    from ai_edge_litert.interpreter import Interpreter
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(pair.tokenizer))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LENGTH)
    runner = Interpreter(model_content=pair.tflite, num_threads=1).get_signature_runner()
    rows = []
    for sentence in sentences:
        ids = tokenizer.encode(sentence).ids
        inputs = {name: np.zeros((1, LENGTH), np.int32) for name in runner.get_input_details()}
        inputs["input_ids"][0, : len(ids)] = ids
        inputs["attention_mask"][0, : len(ids)] = 1
        (row,) = runner(**inputs).values()
        rows.append(row[0])
    return np.stack(rows)


def _pair(folder: Path, checkpoint: Checkpoint) -> Pair:
    pytest.importorskip("tensorflow", reason=NEEDS_TENSORFLOW)
    from edge_bert.convert.keras_to_tflite import convert_to_tflite

    tflite = convert_to_tflite(checkpoint, [LENGTH])
    packaged = folder / "packaged.tflite"
    packaged.write_bytes(
        write_mediapipe_model(
            tflite,
            vocabulary=checkpoint.vocabulary,
            head=checkpoint.head,
            name=checkpoint.name,
        )
    )
    return Pair(tflite, packaged, checkpoint.tokenizer, checkpoint.head)


def _tiny_bert(folder: Path) -> Checkpoint:
    """Two layers of 32 channels with seeded weights."""
    config = {
        "num_hidden_layers": 2,
        "hidden_size": CHANNELS,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": LENGTH,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    }
    attention = "encoder.layer.{}.attention"
    shapes = {"embeddings.token_type_embeddings.weight": (2, CHANNELS)}
    for layer in range(2):
        at = attention.format(layer)
        for name in ("query", "key", "value"):
            shapes |= _dense(f"{at}.self.{name}", CHANNELS, CHANNELS)
        shapes |= _dense(f"{at}.output.dense", CHANNELS, CHANNELS)
        shapes |= _norm(f"{at}.output.LayerNorm")
        shapes |= _dense(f"encoder.layer.{layer}.intermediate.dense", 64, CHANNELS)
        shapes |= _dense(f"encoder.layer.{layer}.output.dense", CHANNELS, 64)
        shapes |= _norm(f"encoder.layer.{layer}.output.LayerNorm")
    head = Head(task=Task.EMBEDDING, poolings=(Pooling.MEAN,), normalize=True)
    return _checkpoint(folder, "bert", config, shapes, head)


def _tiny_distilbert(folder: Path) -> Checkpoint:
    """One layer of 32 channels, three classes."""
    config = {
        "n_layers": 1,
        "dim": CHANNELS,
        "n_heads": 2,
        "hidden_dim": 64,
        "max_position_embeddings": LENGTH,
    }
    shapes: dict[str, tuple[int, ...]] = {}
    for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
        shapes |= _dense(f"transformer.layer.0.attention.{name}", CHANNELS, CHANNELS)
    shapes |= _norm("transformer.layer.0.sa_layer_norm")
    shapes |= _dense("transformer.layer.0.ffn.lin1", 64, CHANNELS)
    shapes |= _dense("transformer.layer.0.ffn.lin2", CHANNELS, 64)
    shapes |= _norm("transformer.layer.0.output_layer_norm")
    shapes |= _dense("pre_classifier", CHANNELS, CHANNELS) | _dense("classifier", 3, CHANNELS)
    head = Head(task=Task.CLASSIFICATION, labels=("a", "b", "c"), activation="softmax")
    return _checkpoint(folder, "distilbert", config, shapes, head)


def _dense(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (CHANNELS,), f"{name}.bias": (CHANNELS,)}


def _checkpoint(
    folder: Path,
    architecture: str,
    config: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    head: Head,
) -> Checkpoint:
    tokens = sorted({character for text in (*ENGLISH, *CJK) for character in text.lower()} - {" "})
    tokens += ["##" + token for token in tokens if token.isascii() and token.isalnum()]
    tokens += ["##" + token for token in tokens if "\u3040" < token < "\u30ff"]
    vocab = vocabulary(folder / "vocab.txt", tokens)
    rows = len(SPECIAL) + len(tokens)
    tables = {"word": (rows, CHANNELS), "position": (LENGTH, CHANNELS)}
    shapes = {f"embeddings.{name}_embeddings.weight": size for name, size in tables.items()} | {
        "embeddings.LayerNorm.weight": (CHANNELS,),
        "embeddings.LayerNorm.bias": (CHANNELS,),
        **shapes,
    }
    rng = np.random.default_rng(20)
    return Checkpoint(
        name=f"tiny {architecture}",
        architecture=architecture,
        config={**config, "vocab_size": rows},
        weights={
            name: rng.normal(0, 0.3, size).astype(np.float32) for name, size in shapes.items()
        },
        head=head,
        tokenizer=_tokenizer(folder / "tokenizer.json", [*SPECIAL, *tokens]),
        vocabulary=vocab,
        max_length=LENGTH,
        origin="seeded",
        sha256="0" * 64,
    )


def _tokenizer(path: Path, tokens: list[str]) -> Path:
    """A tokenizer.json as uncased BERT models have it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    numbers = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(numbers, **{"unk_token": "[UNK]"}))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(list(SPECIAL))
    path.write_text(json.dumps(json.loads(tokenizer.to_str())), "utf-8")
    return path
