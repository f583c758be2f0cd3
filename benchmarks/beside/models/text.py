"""Classes of texts: TfidfVectorizer and LogisticRegression of scikit-learn, node by node as skl2onnx writes them."""

from __future__ import annotations

import string

import numpy as np
from onnx import TensorProto

from ..row import Inference
from .graph import Builder

CLASSES = ("art", "science", "sport", "travel")
SENTENCE = 10  # words


def _words(random: np.random.RandomState, count: int) -> list[str]:
    """All different, of 3 to 10 letters."""
    found: dict[str, None] = {}
    letters = np.array(list(string.ascii_lowercase))
    while len(found) < count:
        found["".join(letters[random.randint(len(letters), size=random.randint(3, 11))])] = None
    return list(found)


def _text(random: np.random.RandomState, words: list[str]) -> str:
    """20 to 60 words in sentences; those at the front of the list are the frequent ones."""
    places = len(words) * random.random_sample(random.randint(20, 61)) ** 3
    found = [words[int(place)] for place in places]
    sentences = [found[i : i + SENTENCE] for i in range(0, len(found), SENTENCE)]
    return " ".join(" ".join(sentence).capitalize() + "." for sentence in sentences)


def classes(texts: int, words: int) -> Inference:
    """The class of each text, and how likely each class is. The model knows `words` words, a multiple of 10, and texts have a
    tenth as many others. They are fed by name, as ONNX Runtime binds no strings from Python."""
    graph = Builder()
    drawn = _words(graph.random, words // 10 * 11)
    vocabulary = sorted(set(drawn) - set(drawn[10::11]))
    values = [_text(graph.random, drawn) for _ in range(texts)]
    y = graph.fed("text", np.array(values, object).reshape(-1, 1))
    y = graph.node("Reshape", y, graph.weight(np.array([-1], np.int64)))
    # The only locale that is on every machine, which ONNX Runtime needs.
    y = graph.node("StringNormalizer", y, case_change_action="LOWER", is_case_sensitive=0, locale="C")
    y = graph.node(
        "Tokenizer", y, domain="com.microsoft", tokenexp="[a-zA-Z0-9_]+", mark=0, mincharnum=1, pad_value="#"
    )
    y = graph.node(
        "TfIdfVectorizer", graph.node("Flatten", y), mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
        ngram_counts=[0], ngram_indexes=list(range(words)), pool_strings=vocabulary, weights=[1.0] * words,
    )  # fmt: skip
    rarity = graph.random.uniform(1, 8, (1, words)).astype(np.float32)
    y = graph.node("Normalizer", graph.node("Mul", y, graph.weight(rarity)), domain="ai.onnx.ml", norm="L2")
    labels, scores = graph.split(
        "LinearClassifier", 2, y, domain="ai.onnx.ml", classlabels_strings=CLASSES, multi_class=1,
        coefficients=graph.normal(len(CLASSES) * words).tolist(), intercepts=graph.normal(len(CLASSES)).tolist(),
        post_transform="SOFTMAX",
    )  # fmt: skip
    shares = graph.node("Normalizer", scores, domain="ai.onnx.ml", norm="L1")
    return graph.problem(
        graph.output(labels, TensorProto.STRING, texts),
        graph.output(shares, TensorProto.FLOAT, texts, len(CLASSES)),
        arrays=True,
    )
