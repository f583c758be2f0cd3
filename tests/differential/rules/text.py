"""Strings."""

import numpy as np

import values
from maker import Maker, rule


@rule("StringNormalizer")
def normalizer(m: Maker) -> None:
    m.one_of("case_change_action", "NONE", "LOWER", "UPPER")
    m.flag("is_case_sensitive")
    m.maybe("stopwords", [word for word in m.some(values.WORDS) if word.isascii()] or ["a"])
    m.omit("locale")
    count = m.dim(1)
    m.input("X", (count,) if m.chance(0.5) else (1, count))


@rule("StringSplit")
def split(m: Maker) -> None:
    m.maybe("delimiter", m.choose([" ", ",", "", "--", "a"]))
    m.maybe("maxsplit", m.integer(0, 3))
    pieces = ["a", "b", " ", ",", "--", "xy", "  "]
    shape = m.shape(high=2)
    texts = ["".join(m.choose(pieces) for _ in range(m.integer(0, 6))) for _ in range(int(np.prod(shape)))]
    m.give("X", np.array(texts, object).reshape(shape))


@rule("TfIdfVectorizer")
def tf_idf(m: Maker) -> None:
    m.one_of("mode", "TF", "IDF", "TFIDF")
    ones, twos = m.integer(1, 4), m.integer(0, 4)
    words = sorted({(m.integer(0, 5),) for _ in range(ones)})
    pairs = sorted({(m.integer(0, 5), m.integer(0, 5)) for _ in range(twos)})
    pool = [number for gram in [*words, *pairs] for number in gram]
    count = len(words) + len(pairs)
    m.attr("ngram_counts", [0, len(words)] if pairs else [0])
    longest = m.attr("max_gram_length", m.integer(1, 2) if pairs else 1)
    m.attr("min_gram_length", m.integer(1, longest))
    m.attr("max_skip_count", m.integer(0, 2))
    m.attr("ngram_indexes", [int(i) for i in m.rng.permutation(count)])
    m.maybe("weights", [m.real(0.5, 2) for _ in range(count)])
    shape = (m.dim(1, 8),) if m.chance(0.5) else (m.dim(1, 3), m.dim(1, 8))
    numbers = m.rng.integers(0, 6, size=shape)
    if values.element(m.type("T")) == "string":
        m.attr("pool_strings", [values.WORDS[number + 1] for number in pool])
        m.give("X", np.array([values.WORDS[number + 1] for number in numbers.ravel()], object).reshape(shape))
    else:
        m.attr("pool_int64s", pool)
        m.give("X", numbers)
