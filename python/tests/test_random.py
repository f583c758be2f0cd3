"""Random numbers beside a Philox of its own, written from the paper (Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", SC 2011) and from what docs/operators.md says of the words."""

import math
from collections.abc import Callable

import numpy as np
import pytest

import weft
from weft.layers import Conv2d, Dense, Dropout, Embedding

WORD = 2**32
ROUNDS = 10


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    l0, r0, l1, r1 = counter
    for round in range(ROUNDS):
        k0, k1 = ((k + round * step) % WORD for k, step in zip(key, (0x9E3779B9, 0xBB67AE85)))
        high0, low0 = divmod(0xD2511F53 * l0, WORD)
        high1, low1 = divmod(0xCD9E8D57 * l1, WORD)
        l0, r0, l1, r1 = high1 ^ r0 ^ k0, low1, high0 ^ r1 ^ k1, low0
    return l0, r0, l1, r1


def fnv1a(name: str) -> int:
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def block(b: int, seed: int, stream: int, counter: int) -> tuple[int, int, int, int]:
    """The four words with the number b; `stream` is a hash."""
    return philox((b, counter % WORD, stream % WORD, stream // WORD % WORD), (seed % WORD, seed // WORD % WORD))


class Draw:
    """What one draw gives: `count` numbers in double precision."""

    def __init__(self, count: int, seed: int = 0, stream: str = "", counter: int = 0) -> None:
        self.count, self.seed, self.stream, self.counter = count, seed, fnv1a(stream), counter

    def blocks(self, of: int, later: int = 0) -> list[tuple[int, int, int, int]]:
        """As many as hold all numbers, `of` in each."""
        return [block(b, self.seed, self.stream + later, self.counter) for b in range(-(-self.count // of))]

    def fractions24(self) -> np.ndarray:
        return np.array([(word >> 8) / 2**24 for words in self.blocks(4) for word in words])[: self.count]

    def fractions53(self) -> np.ndarray:
        return np.array([u for words in self.blocks(2) for u in fractions53(words)])[: self.count]

    def uniform(self, dtype: str) -> np.ndarray:
        return self.fractions53() if dtype == "f64" else self.fractions24()

    def normal(self) -> np.ndarray:
        return np.array([z for words in self.blocks(2) for z in normals(words)])[: self.count]

    def truncated(self) -> np.ndarray:
        found, later = [math.inf] * self.count, 0
        while any(abs(z) > 2 for z in found):
            for i, words in enumerate(self.blocks(1, later)):
                if abs(found[i]) > 2:
                    found[i] = next((z for z in normals(words) if abs(z) <= 2), math.inf)
            later += 1
        return np.array(found)


def fractions53(words: tuple[int, int, int, int]) -> tuple[float, float]:
    a, b, c, d = words
    return ((a * WORD + b) >> 11) / 2**53, ((c * WORD + d) >> 11) / 2**53


def normals(words: tuple[int, int, int, int]) -> tuple[float, float]:
    u, v = fractions53(words)
    radius, angle = math.sqrt(-2 * math.log(1 - u)), 2 * math.pi * v
    return radius * math.cos(angle), radius * math.sin(angle)


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "f16":  # by way of f32
        values = values.astype("f4")
    return values.astype({"f64": "f8", "f32": "f4", "f16": "f2"}[dtype])


def near(found: np.ndarray, wanted: np.ndarray, dtype: str) -> None:
    """Within 1 unit in the last place of f32, 4 of f64: logarithm, root, cosine and product may each be rounded otherwise."""
    np.testing.assert_array_max_ulp(found, rounded(wanted, dtype), maxulp=4 if dtype == "f64" else 1)


# -- The reference itself.


def test_the_reference_gives_the_known_answers() -> None:
    """Of Random123, tests/kat_vectors."""
    ones = WORD - 1
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert philox((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox((ones,) * 4, (ones, ones)) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    assert philox(pi, (0xA4093822, 0x299F31D0)) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


def test_the_reference_hashes_as_the_authors_of_fnv() -> None:
    assert fnv1a("") == 0xCBF29CE484222325
    assert fnv1a("a") == 0xAF63DC4C8601EC8C
    assert fnv1a("foobar") == 0x85944171F73967E8


# -- Operators.

COUNT = 1001  # the last block is not full


def successive(make: Callable[..., weft.Value], *, first: int = 0, **attrs: object) -> list[np.ndarray]:
    """Two runs, each of which counts on."""
    graph = weft.Graph()
    counter = graph.variable("counter", np.int64(first), trainable=False)
    drawn = make(graph.constant([7, COUNT // 7]), counter, **attrs)
    session = weft.Session(graph)
    targets = weft.assign(counter, counter + 1)
    return [np.asarray(session.run({}, drawn, targets=targets)).reshape(-1) for _ in range(2)]


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
@pytest.mark.parametrize("seed, stream", [(0, ""), (42, "hidden/kernel"), (-1, "a"), (0x123456789ABCDEF0, "ä")])
def test_uniform_numbers(dtype: str, seed: int, stream: str) -> None:
    found = successive(weft.weft_random_uniform, dtype=dtype, seed=seed, stream=stream, low=-2.0, high=5.0)
    for counter, values in enumerate(found):
        wanted = rounded(-2.0 + 7.0 * Draw(COUNT, seed, stream, counter).uniform(dtype), dtype)
        assert (values == wanted).all(), counter


def test_rounding_does_not_reach_the_upper_limit() -> None:
    found = successive(weft.weft_random_uniform, dtype="f16", seed=1, low=1.0, high=1.0078125)  # eight numbers, without `high`
    for counter, values in enumerate(found):
        wanted = rounded(1 + 0.0078125 * Draw(COUNT, 1, "", counter).uniform("f16"), "f16")
        reaches = wanted == np.float16(1.0078125)
        assert 30 < reaches.sum() < 100  # one in 16
        assert (values == np.where(reaches, np.float16(1.0068359375), wanted)).all(), counter


@pytest.mark.parametrize("first", [2**32 - 1, -1])
def test_the_counter_counts_modulo_two_to_the_32(first: int) -> None:
    found = successive(weft.weft_random_uniform, first=first, seed=3)
    assert (found[0] == rounded(Draw(COUNT, 3, "", WORD - 1).uniform("f32"), "f32")).all()
    assert (found[1] == rounded(Draw(COUNT, 3, "", 0).uniform("f32"), "f32")).all()


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("seed, stream", [(0, ""), (7, "noise"), (-5, "noise")])
def test_normal_numbers(dtype: str, seed: int, stream: str) -> None:
    found = successive(weft.weft_random_normal, dtype=dtype, seed=seed, stream=stream, scale=0.5)
    for counter, values in enumerate(found):
        near(values, 0.5 * Draw(COUNT, seed, stream, counter).normal(), dtype)


def test_the_mean_of_normal_numbers() -> None:
    found = successive(weft.weft_random_normal, dtype="f64", seed=7, mean=10.0, scale=0.5)
    np.testing.assert_allclose(found[0], 10 + 0.5 * Draw(COUNT, 7).normal(), rtol=1e-15)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_truncated_normal_numbers(dtype: str) -> None:
    found = successive(weft.random_truncated_normal, dtype=dtype, seed=7, stream="noise", scale=0.5)
    for counter, values in enumerate(found):
        near(values, 0.5 * Draw(COUNT, 7, "noise", counter).truncated(), dtype)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_ones_with_a_probability(dtype: str) -> None:
    found = successive(weft.random_bernoulli, dtype=dtype, seed=7, stream="coin", probability=0.3)
    for counter, values in enumerate(found):
        assert (values == (Draw(COUNT, 7, "coin", counter).fractions24() < 0.3)).all(), counter


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.75])
def test_dropout_in_training(rate: float) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n", 8])
    layer = Dropout(graph, "drop", rate=rate, seed=11)
    trained, used = layer(x, training=True), layer(x)
    session = weft.Session(graph)
    data = np.random.default_rng(0).normal(size=(33, 8)).astype("f4")
    ratio = np.float32(rate)
    scaled = data / np.float32(1 - float(ratio))
    for counter in range(3):
        kept = (Draw(data.size, 11, "drop", counter).fractions24() >= ratio).reshape(data.shape)
        assert (session.run({x: data}, trained) == np.where(kept, scaled, 0)).all(), counter
        assert (session.run({x: data}, used) == data).all()
        assert session.get("drop/counter") == counter + 1


# -- Initial values.

SHAPES = [[30, 17], [12, 5, 3, 2], [9]]


def fans(shape: list[int]) -> tuple[int, int]:
    """In and out: of a matrix rows and columns, of a kernel [out, in, height, width] each with its window."""
    if len(shape) < 3:
        return shape[0], shape[-1]
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def begun(
    kind: str, shape: list[int], dtype: str, fan_in: int | None = None, fan_out: int | None = None
) -> np.ndarray:
    """What a variable has before any training."""
    graph = weft.Graph()
    w = weft.initial_value(
        kind, shape, graph=graph, dtype=dtype, seed=5, stream="w", fan_in=fan_in, fan_out=fan_out
    )
    graph.variable("w", w)
    value = np.asarray(weft.Session(graph).get("w"))
    assert list(value.shape) == shape
    return value.reshape(-1)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_uniform_initial_values(shape: list[int], dtype: str) -> None:
    fan_in, fan_out = fans(shape)
    widths = {
        "uniform(0.05)": 0.05,
        "glorot_uniform": math.sqrt(6 / (fan_in + fan_out)),
        "he_uniform": math.sqrt(6 / fan_in),
    }
    u = Draw(math.prod(shape), 5, "w").uniform(dtype)
    for kind, width in widths.items():
        assert (begun(kind, shape, dtype) == rounded(-width + 2 * width * u, dtype)).all(), kind


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_normal_initial_values(shape: list[int], dtype: str) -> None:
    fan_in, fan_out = fans(shape)
    deviations = {
        "normal(0.02)": 0.02,
        "glorot_normal": math.sqrt(2 / (fan_in + fan_out)),
        "he_normal": math.sqrt(2 / fan_in),
    }
    draw = Draw(math.prod(shape), 5, "w")
    for kind, deviation in deviations.items():
        near(begun(kind, shape, dtype), deviation * draw.normal(), dtype)
    near(begun("truncated_normal(0.02)", shape, dtype), 0.02 * draw.truncated(), dtype)


def test_fans_that_are_given() -> None:
    u = Draw(12, 5, "w").uniform("f32")
    wide, both = math.sqrt(6 / 100), math.sqrt(6 / (100 + 50))
    assert (begun("he_uniform", [12], "f32", fan_in=100) == rounded(-wide + 2 * wide * u, "f32")).all()
    assert (begun("glorot_uniform", [12], "f32", fan_in=100, fan_out=50) == rounded(-both + 2 * both * u, "f32")).all()


@pytest.mark.parametrize("dtype, bound", [("f32", 1e-5), ("f64", 1e-12)])
@pytest.mark.parametrize("shape", [[20, 20], [30, 17], [17, 30], [6, 5, 3, 2]])
def test_orthogonal_initial_values(shape: list[int], dtype: str, bound: float) -> None:
    rows, columns = shape[0], math.prod(shape[1:])
    value = begun("orthogonal", shape, dtype).astype("f8").reshape(rows, columns)
    drawn = rounded(Draw(rows * columns, 5, "w").normal(), dtype).astype("f8").reshape(rows, columns)
    if rows < columns:
        value, drawn = value.T, drawn.T
    np.testing.assert_allclose(value.T @ value, np.eye(value.shape[1]), atol=bound)
    q, r = np.linalg.qr(drawn)
    np.testing.assert_allclose(value, q * np.sign(np.diag(r)), atol=bound)


@pytest.mark.parametrize("kind, number", [("zeros", 0.0), ("ones", 1.0), ("constant(-0.3)", -0.3), ("normal(0)", 0.0)])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_constant_initial_values(kind: str, number: float, dtype: str) -> None:
    assert (begun(kind, [3, 5], dtype) == rounded(np.full(15, number), dtype)).all()


def test_initial_values_of_layers() -> None:
    """The stream is the name of the variable."""
    graph = weft.Graph()
    Dense(graph, "hidden", inputs=20, units=13, bias_init="uniform(0.1)", seed=3)
    Conv2d(graph, "conv", inputs=4, filters=6, kernel=[3, 2], groups=2, kernel_init="he_uniform", seed=3)
    Embedding(graph, "words", count=11, size=7, table_init="normal(0.02)", seed=9)
    session = weft.Session(graph)

    def uniform(name: str, width: float, shape: list[int]) -> None:
        u = Draw(math.prod(shape), 3, name).uniform("f32").reshape(shape)
        assert (session.get(name) == rounded(-width + 2 * width * u, "f32")).all(), name

    uniform("hidden/kernel", math.sqrt(6 / (20 + 13)), [20, 13])
    uniform("hidden/bias", 0.1, [13])
    uniform("conv/kernel", math.sqrt(6 / (2 * 3 * 2)), [6, 2, 3, 2])  # two channels in each group
    assert (session.get("conv/bias") == np.zeros(6, "f4")).all()
    near(session.get("words/table"), 0.02 * Draw(77, 9, "words/table").normal().reshape(11, 7), "f32")


# -- The distributions, whatever the words; the seed makes the outcome certain.

MANY = 20_000


def normal_below(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def truncated_below(x: float) -> float:
    return (normal_below(x) - normal_below(-2)) / (normal_below(2) - normal_below(-2))


# The variance that is left within two deviations: 1 - 4 phi(2) / (Phi(2) - Phi(-2)).
LAWS: dict[str, tuple[Callable[..., weft.Value], Callable[[float], float], float, float]] = {
    "uniform": (weft.weft_random_uniform, lambda x: x, 0.5, 1 / 12),
    "normal": (weft.weft_random_normal, normal_below, 0.0, 1.0),
    "truncated": (weft.random_truncated_normal, truncated_below, 0.0, 0.7737413035),
}


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("law", LAWS)
def test_distributions(law: str, dtype: str) -> None:
    make, below, mean, variance = LAWS[law]
    graph = weft.Graph()
    drawn = make(graph.constant([MANY]), graph.constant(np.int64(0)), dtype=dtype, seed=1, stream="law")
    values = np.sort(np.asarray(weft.Session(graph).run({}, drawn), "f8"))
    assert abs(values.mean() - mean) < 3 * math.sqrt(variance / MANY)
    assert abs(values.var() / variance - 1) < 0.03
    # Kolmogorov and Smirnov: 1.63 / sqrt(n) is passed once in a hundred.
    wanted = np.array([below(x) for x in values])
    steps = np.arange(MANY + 1) / MANY
    assert max((steps[1:] - wanted).max(), (wanted - steps[:-1]).max()) < 1.63 / math.sqrt(MANY)
