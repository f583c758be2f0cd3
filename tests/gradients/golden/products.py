"""Products of matrices, Einsum and attention."""

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from golden.making import Typed, case, real

for a, b in (
    ((2, 3), (3, 2)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 2, 3), (2, 3, 2)), ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)), ((2, 1, 2, 3), (2, 3, 1)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,)), ((1, 2, 2), (2, 2, 1)),
    ((1, 3), (3, 1)),
):  # fmt: skip
    case("MatMul", [real(*a), real(*b)], torch.matmul, name=f"{a} {b}", second=True)


def gemm(alpha: float, beta: float, turn_a: int, turn_b: int) -> object:
    def run(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        y = alpha * ((a.T if turn_a else a) @ (b.T if turn_b else b))
        return y if c is None else y + beta * c

    return run


for turn_a in (0, 1):
    for turn_b in (0, 1):
        for c in (None, (2, 2), (2,), (2, 1), (1,), ()):
            if c not in (None, (2,)) and turn_a != turn_b:
                continue
            alpha, beta = 0.5, 1.75
            a, b = (3, 2) if turn_a else (2, 3), (2, 3) if turn_b else (3, 2)
            case(
                "Gemm",
                [real(*a), real(*b), *([] if c is None else [real(*c)])],
                gemm(alpha, beta, turn_a, turn_b),
                {"alpha": alpha, "beta": beta, "transA": turn_a, "transB": turn_b},
                f"transA {turn_a} transB {turn_b} C {c}",
                c in (None, (2,)),
            )
case("Gemm", [real(2, 3), real(3, 2), real(2)], gemm(1, 1, 0, 0), {}, "by default", True)

for equation, *shapes in (
    ("ij,jk->ik", (2, 3), (3, 2)), ("ij,jk", (2, 3), (3, 2)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->i", (2, 3)),
    ("ii->i", (3, 3)), ("ii", (3, 3)), ("iij->j", (2, 2, 3)), ("i,j->ij", (2, 3), (2,)), ("i,i->", (3,), (3,)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("bhqd,bhkd->bhqk", (1, 2, 2, 3), (1, 2, 2, 3)), ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,j->i", (2, 3), (3,)), ("i,ij,j->", (2,), (2, 3), (3,)), ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 2)), ("...i->...", (2, 3)), ("ij,kj->kij", (2, 2), (3, 2)),
    ("...,...->...", (2, 3), (3,)), ("bi,bj,ijk->bk", (2, 2), (2, 3), (2, 3, 2)), ("ij,k->ijk", (2, 2), (2,)),
    ("ij,ik->jk", (1, 2), (1, 3)), ("i...j->j...", (2, 2, 3)),
):  # fmt: skip
    if equation == "i,j->ij":
        shapes = [(2,), (3,)]
    case(
        "Einsum",
        [real(*s) for s in shapes],
        lambda *x, e=equation: torch.einsum(e, *x),
        {"equation": equation},
        equation,
        len(shapes) > 1,
    )


def attention(q, k, v, mask=None, causal=False, scale=None, softcap=0.0):  # type: ignore[no-untyped-def]
    """As torch.nn.functional.scaled_dot_product_attention, which has no soft cap."""
    if softcap == 0:
        with sdpa_kernel(SDPBackend.MATH):  # the one that has gradients of gradients
            return F.scaled_dot_product_attention(
                q, k, v, mask, is_causal=causal, scale=scale, enable_gqa=q.shape[1] != k.shape[1]
            )
    share = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(share, 1), v.repeat_interleave(share, 1)
    scores = softcap * torch.tanh((q @ k.mT) * (scale or q.shape[-1] ** -0.5) / softcap)
    if causal:
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -torch.inf)
    return torch.softmax(scores if mask is None else scores + mask, -1) @ v


def flat(x: torch.Tensor, heads: int) -> torch.Tensor:
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


Q, K, V = real(1, 2, 2, 2), real(1, 2, 3, 2), real(1, 2, 3, 1)
BOOLS = [[True, False, True], [True, True, False]]
case("Attention", [Q, K, V], attention, name="plain", second=True)
case("Attention", [Q, K, V], lambda q, k, v: attention(q, k, v, scale=0.375), {"scale": 0.375}, "scale")
case("Attention", [Q, K, V], lambda q, k, v: attention(q, k, v, causal=True), {"is_causal": 1}, "causal", True)
case("Attention", [Q, K, V, BOOLS], attention, name="truth values as mask", second=True)
case("Attention", [Q, K, V, [[False] * 3, [True, True, False]]], attention, name="a query that looks at nothing")
case("Attention", [Q, K, V, real(2, 3)], attention, name="numbers as mask", second=True)
case("Attention", [Q, K, V, real(1, 2, 2, 3)], attention, name="numbers for each head")
case(
    "Attention",
    [real(2, 1, 2, 2), real(2, 1, 2, 2), real(2, 1, 2, 2), real(2, 1, 1, 2)],
    attention,
    name="numbers for each image",
)
case(
    "Attention",
    [Q, K, V, Typed("still", [[0.5, -1.0, 0.25], [1.5, -0.5, 0.0]])],
    attention,
    name="mask that does not move",
)
case(
    "Attention", [real(1, 4, 2, 2), real(1, 2, 3, 2), real(1, 2, 3, 2)], attention, name="heads share keys", second=True
)
case("Attention", [real(1, 2, 2, 2), real(1, 1, 3, 2), real(1, 1, 3, 2), BOOLS], attention, name="one head of keys")
case("Attention", [Q, K, V], lambda q, k, v: attention(q, k, v, softcap=2.0), {"softcap": 2.0}, "soft cap", True)
case(
    "Attention",
    [Q, K, V],
    lambda q, k, v: attention(q, k, v, causal=True, softcap=1.5),
    {"softcap": 1.5, "is_causal": 1},
    "soft cap causal",
)
case(
    "Attention",
    [real(1, 2, 4), real(1, 3, 4), real(1, 3, 2)],
    lambda q, k, v: attention(flat(q, 2), flat(k, 2), flat(v, 2)).transpose(1, 2).reshape(1, 2, 2),
    {"q_num_heads": 2, "kv_num_heads": 2},
    "of three axes",
    True,
)
case(
    "Attention",
    [real(1, 2, 8), real(1, 3, 4), real(1, 3, 4)],
    lambda q, k, v: attention(flat(q, 4), flat(k, 2), flat(v, 2)).transpose(1, 2).reshape(1, 2, 8),
    {"q_num_heads": 4, "kv_num_heads": 2},
    "of three axes, heads share keys",
)


def with_past(q, k, v, mask, past_k, past_v):  # type: ignore[no-untyped-def]
    all_k, all_v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
    return attention(q, all_k, all_v, mask), all_k, all_v


case(
    "Attention",
    [Q, real(1, 2, 2, 2), real(1, 2, 2, 1), None, real(1, 2, 1, 2), real(1, 2, 1, 1)],
    with_past,
    name="a past",
    second=True,
)


def rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, -1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


case("RotaryEmbedding", [real(2, 2, 2, 4), real(2, 2, 2), real(2, 2, 2)], rotated, name="halves", second=True)
