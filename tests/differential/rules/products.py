"""Products of matrices, and what is quantized."""

import values
from maker import Maker, Shape, rule


def matrices(m: Maker, left: str, right: str, low: float | None = None, high: float | None = None) -> tuple[Shape, Shape]:
    """Two that can be multiplied: vectors, matrices, or many that broadcast."""
    n, k, p = m.dim(), m.dim(), m.dim()
    batch = m.shape(high=2)
    a = (k,) if m.chance(0.15) else (*m.broadcast_to(batch), n, k)
    b = (k,) if m.chance(0.15) else (*m.broadcast_to(batch), k, p)
    m.input(left, a, low, high)
    m.input(right, b, low, high)
    return a, b


@rule("MatMul")
def matmul(m: Maker) -> None:
    m.sums()
    matrices(m, "A", "B")


@rule("Gemm")
def gemm(m: Maker) -> None:
    m.sums()
    n, k, p = m.dim(), m.dim(), m.dim()
    m.input("A", (k, n) if m.flag("transA") else (n, k))
    m.input("B", (p, k) if m.flag("transB") else (k, p))
    m.optional("C", m.broadcast_to((n, p)))
    if values.is_integer(m.type("T")):
        m.attr("alpha", float(m.integer(0, 3)))
        m.attr("beta", float(m.integer(0, 3)))


@rule("Det")
def det(m: Maker) -> None:
    m.sums()
    n = m.dim(1)
    m.input("X", (*m.shape(high=2), n, n))


@rule("Einsum")
def einsum(m: Maker) -> None:
    m.sums()
    letters = "ijkl"
    sizes = {letter: m.dim() for letter in letters}
    terms = ["".join(m.some(letters)) for _ in range(m.integer(1, 3))]
    if m.chance(0.2) and terms[0]:
        terms[0] += terms[0][0]  # a diagonal
    used = sorted(set("".join(terms)))
    equation = ",".join(terms)
    if m.chance(0.7):
        equation += "->" + "".join(m.some(used))
    if m.chance(0.2):
        equation = equation.replace(",", " , ")
    m.attr("equation", equation)
    for term in terms:
        m.input("Inputs", tuple(sizes[letter] for letter in term), -3, 3)


@rule("MatMulInteger")
def matmul_integer(m: Maker) -> None:
    a, b = matrices(m, "A", "B")
    m.optional("a_zero_point", a[-2:-1] if len(a) == 2 and m.chance(0.3) else ())
    m.optional("b_zero_point", b[-1:] if len(b) == 2 and m.chance(0.3) else ())


@rule("QLinearMatMul")
def qlinear_matmul(m: Maker) -> None:
    m.steps = 1
    m.allow("T1", lambda t: "float" not in t)
    m.allow("T2", lambda t: "float" not in t)
    m.allow("T3", lambda t: "float" not in t)
    matrices(m, "a", "b", -100, 100)
    for name in ("a", "b", "y"):
        m.input(f"{name}_scale", (), 0.01, 0.3)
        m.input(f"{name}_zero_point", (), -5, 5)


def scale_shape(m: Maker, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of one scale, one for each place of an axis, or one for each block of an axis."""
    kind = m.integer(0, 2)
    if kind == 0 or not shape:
        return ()
    axis = m.attr("axis", m.axis(len(shape)))
    if kind == 1 or 0 in shape:
        return (shape[axis],)
    size = m.attr("block_size", m.integer(1, shape[axis]))
    return tuple(-(-n // size) if i == axis % len(shape) else n for i, n in enumerate(shape))


@rule("QuantizeLinear")
def quantize(m: Maker) -> None:
    m.steps = 1
    m.omit("precision")
    m.omit("output_dtype")
    m.omit("block_size")
    m.omit("axis")
    m.allow("T2", lambda t: t == m.type("T1") or (t == "tensor(float)" and m.chance(0.2)))
    shape = m.shape()
    m.input("x", shape, -50, 50)
    scales = scale_shape(m, shape)
    m.input("y_scale", scales, 1 if m.type("T2") == "tensor(int32)" else 0.1, 3)
    if m.chance(0.6):
        zero = values.is_float(m.type("T3"))
        m.input("y_zero_point", scales, 0 if zero else -3, 0 if zero else 3)
    else:
        m.omit("y_zero_point")
        if m.chance(0.5):
            m.attr("output_dtype", values.number(m.type("T3")))
        else:
            m.bind("T3", "tensor(uint8)")
    if "float8" in m.type("T3"):
        m.flag("saturate")


@rule("DequantizeLinear")
def dequantize(m: Maker) -> None:
    m.omit("output_dtype")
    m.omit("block_size")
    m.omit("axis")
    m.allow("T2", lambda t: "8e8" not in t)
    m.bind("T3", m.type("T2"))
    shape = m.shape()
    m.input("x", shape)
    scales = scale_shape(m, shape)
    m.input("x_scale", scales, 0.1, 3)
    if m.chance(0.6):
        zero = values.is_float(m.type("T1")) or m.type("T1") == "tensor(int32)"
        m.input("x_zero_point", scales, 0 if zero else -3, 0 if zero else 3)
    else:
        m.omit("x_zero_point")


@rule("DynamicQuantizeLinear")
def dynamic_quantize(m: Maker) -> None:
    m.steps = 1
    m.input("x", m.shape(least=1))


@rule("Attention")
def attention(m: Maker) -> None:
    m.sums()
    batch, heads = m.dim(1, 3), m.integer(1, 2)
    share = m.integer(1, 2)
    queries, keys, size, wide = m.dim(1), m.dim(1), 2 * m.integer(1, 2), m.dim(1)
    past = m.integer(1, 3) if m.chance(0.3) else 0
    flat = m.chance(0.4)
    if flat:
        m.attr("q_num_heads", heads * share)
        m.attr("kv_num_heads", heads)
        m.input("Q", (batch, queries, heads * share * size))
        m.input("K", (batch, keys, heads * size))
        m.input("V", (batch, keys, heads * wide))
    else:
        m.input("Q", (batch, heads * share, queries, size))
        m.input("K", (batch, heads, keys, size))
        m.input("V", (batch, heads, keys, wide))
    total = keys + past
    if m.chance(0.5):
        m.allow("U", lambda t: t in (m.type("T1"), "tensor(bool)"))
        all_heads = (batch, heads * share, queries, total)
        m.input("attn_mask", m.choose([(queries, total), (1, 1, queries, total), all_heads]))
    else:
        m.omit("attn_mask")
    if past:
        m.input("past_key", (batch, heads, past, size))
        m.input("past_value", (batch, heads, past, wide))
        m.wanted |= {"present_key", "present_value"}
    else:
        m.omit("past_key")
        m.omit("past_value")
    if not past and m.chance(0.2):
        m.input("nonpad_kv_seqlen", (batch,), 1, keys)
    else:
        m.omit("nonpad_kv_seqlen")
    m.attr("qk_matmul_output_mode", m.integer(0, 3))
    m.attr("softcap", m.choose([0.0, 2.0]))
    m.maybe("scale", m.real(0.1, 1))


@rule("LinearAttention")
def linear_attention(m: Maker) -> None:
    m.sums(3)
    update = m.one_of("update_rule", "linear", "gated", "delta", "gated_delta")
    batch, steps = m.dim(1, 2), m.dim(1)
    kv, share = m.integer(1, 2), m.integer(1, 2)
    size, wide = m.integer(1, 4), m.integer(1, 4)
    m.attr("q_num_heads", kv * share)
    m.attr("kv_num_heads", kv)
    m.attr("chunk_size", m.choose([64, 2]))
    m.attr("scale", m.choose([0.0, m.real(0.1, 1)]))
    m.input("query", (batch, steps, kv * share * size), -1, 1)
    m.input("key", (batch, steps, kv * size), -1, 1)
    m.input("value", (batch, steps, kv * wide), -1, 1)
    m.optional("past_state", (batch, kv, size, wide), -1, 1)
    if "gated" in update:
        m.input("decay", (batch, steps, kv * (size if m.chance(0.5) else 1)), -1, 0)
    else:
        m.omit("decay")
    if "delta" in update:
        m.input("beta", (batch, steps, kv if m.chance(0.7) else 1), 0, 1)
    else:
        m.omit("beta")


@rule("CausalConvWithState")
def causal(m: Maker) -> None:
    m.sums()
    batch, channels, steps, taps = m.dim(1, 3), m.dim(1), m.dim(1), m.integer(1, 4)
    m.one_of("activation", "none", "silu", "swish")
    m.input("input", (batch, channels, steps))
    m.input("weight", (channels, 1, taps))
    m.optional("bias", (channels,))
    m.optional("past_state", (batch, channels, taps - 1))


@rule("RotaryEmbedding")
def rotary(m: Maker) -> None:
    batch, heads, steps, half = m.dim(1, 3), m.dim(1, 3), m.dim(1), m.integer(1, 3)
    images = 1 if m.chance(0.2) else batch  # ONNX Runtime takes as many alone
    turned = half if m.chance(0.6) else m.integer(1, half)
    flat = m.chance(0.5)
    if flat:
        m.attr("num_heads", heads)
    m.input("X", (batch, steps, heads * 2 * half) if flat else (batch, heads, steps, 2 * half))
    m.attr("rotary_embedding_dim", 0 if turned == half else 2 * turned)
    if m.chance(0.5):
        longest = steps + m.integer(0, 3)
        m.input("cos_cache", (longest, turned), -1, 1)
        m.input("sin_cache", (longest, turned), -1, 1)
        m.input("position_ids", (images, steps), 0, longest - 1)
    else:
        m.input("cos_cache", (images, steps, turned), -1, 1)
        m.input("sin_cache", (images, steps, turned), -1, 1)
        m.omit("position_ids")


@rule("RNN", "GRU", "LSTM")
def recurrent(m: Maker) -> None:
    m.sums(3)
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[m.op]
    direction = m.one_of("direction", "forward", "reverse", "bidirectional")
    ways = 2 if direction == "bidirectional" else 1
    steps, batch, size, hidden = m.dim(1), m.dim(1, 3), m.dim(1, 4), m.dim(1, 4)
    layout = m.flag("layout")
    m.attr("hidden_size", hidden)
    m.input("X", (batch, steps, size) if layout else (steps, batch, size), -1, 1)
    m.input("W", (ways, gates * hidden, size), -1, 1)
    m.input("R", (ways, gates * hidden, hidden), -1, 1)
    m.optional("B", (ways, 2 * gates * hidden), -1, 1)
    m.optional("sequence_lens", (batch,), 1, steps)
    state = (batch, ways, hidden) if layout else (ways, batch, hidden)
    m.optional("initial_h", state, -1, 1)
    if m.op == "LSTM":
        m.optional("initial_c", state, -1, 1)
        m.optional("P", (ways, 3 * hidden), -1, 1)
    if m.op == "GRU":
        m.flag("linear_before_reset")
    m.maybe("clip", m.real(0.5, 3))
    if m.chance(0.4):
        each = {"RNN": 1, "GRU": 2, "LSTM": 3}[m.op]
        m.attr("activations", [m.choose(["Tanh", "Sigmoid", "Relu"]) for _ in range(each * ways)])
    else:
        m.omit("activations")


