"""Recurrent layers, by PyTorch's kernels of them: ONNX has other orders of gates."""

from collections.abc import Sequence

import torch

from golden.making import Typed, case, real

# Which of ONNX's gates is each of PyTorch's: i f g o of i o f c, r z n of z r h.
ORDER = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}


def parameters(op: str, w: torch.Tensor, r: torch.Tensor, b: torch.Tensor | None) -> list[torch.Tensor]:
    """PyTorch's list: of each direction both matrices, then both vectors."""
    gates, found = len(ORDER[op]), []
    for way in range(w.shape[0]):
        parts = [w[way], r[way]] if b is None else [w[way], r[way], *b[way].chunk(2)]
        found += [torch.cat([p.chunk(gates)[i] for i in ORDER[op]]) for p in parts]
    return found


def states(x: torch.Tensor, ways: int, hidden: int, given: torch.Tensor | None) -> torch.Tensor:
    return x.new_zeros(ways, x.shape[1], hidden) if given is None else given


def layer(op: str, direction: str, relu: bool = False):  # type: ignore[no-untyped-def]
    """Y, Y_h and of LSTM Y_c, as ONNX shapes them."""
    both = direction == "bidirectional"

    def run(x, w, r, b=None, lengths=None, h=None, c=None):  # type: ignore[no-untyped-def]
        if lengths is not None:  # one sequence at a time
            parts = [
                run(x[:n, i : i + 1], w, r, b, None, *(None if s is None else s[:, i : i + 1] for s in (h, c)))
                for i, n in enumerate(lengths.tolist())
            ]
            ys = [torch.cat([p[0], p[0].new_zeros(x.shape[0] - p[0].shape[0], *p[0].shape[1:])]) for p in parts]
            return torch.cat(ys, 2), *(torch.cat([p[k] for p in parts], 1) for k in range(1, len(parts[0])))
        x = x.flip(0) if direction == "reverse" else x
        flat = parameters(op, w, r, b)
        h0 = states(x, w.shape[0], r.shape[2], h)
        how = (b is not None, 1, 0.0, True, both, False)
        if op == "LSTM":
            y, *last = torch._VF.lstm(x, (h0, states(x, w.shape[0], r.shape[2], c)), flat, *how)
        elif op == "GRU":
            y, *last = torch._VF.gru(x, h0, flat, *how)
        else:
            y, *last = (torch._VF.rnn_relu if relu else torch._VF.rnn_tanh)(x, h0, flat, *how)
        y = y.flip(0) if direction == "reverse" else y
        y = y.reshape(y.shape[0], y.shape[1], w.shape[0], -1).transpose(1, 2)
        return y, *last

    return run


def inputs(op: str, ways: int, bias: bool, lengths: Sequence[int] | None, states: bool, steps: int = 3) -> list[object]:
    gates, size, hidden, batch = len(ORDER[op]), 1, 2, len(lengths) if lengths else 1
    matrix = {"low": -1.0, "high": 1.0}
    found: list[object] = [real(steps, batch, size), real(ways, gates * hidden, size, **matrix)]
    found.append(real(ways, gates * hidden, hidden, **matrix))
    found.append(real(ways, 2 * gates * hidden, **matrix) if bias else None)
    found.append(Typed("i32", list(lengths)) if lengths else None)
    state = real(ways, batch, hidden)
    found += [state if states else None, *([state if states else None] if op == "LSTM" else [])]
    while found[-1] is None:
        found.pop()
    return found


for op in ORDER:
    more = {"hidden_size": 2, **({"linear_before_reset": 1} if op == "GRU" else {})}
    for direction in ("forward", "reverse", "bidirectional"):
        ways = 2 if direction == "bidirectional" else 1
        attrs = {**more, "direction": direction}
        run = layer(op, direction)
        steps = 2 if ways == 2 else 3
        case(op, inputs(op, ways, True, None, ways == 1, steps), run, attrs, f"{direction}", direction == "forward")
        if ways == 1:
            case(op, inputs(op, ways, True, [1, 2], direction == "reverse", 2), run, attrs, f"{direction} lengths")
    both = {**more, "direction": "bidirectional"}
    case(op, inputs(op, 2, False, [1, 2], True, 2), layer(op, "bidirectional"), both, "bidirectional lengths no bias")
    case(op, inputs(op, 1, False, None, False, 2), layer(op, "forward"), more, "no bias", True)
    case(op, inputs(op, 1, True, None, True, 1), layer(op, "forward"), more, "one step")
case(
    "RNN",
    inputs("RNN", 1, True, None, True),
    layer("RNN", "forward", True),
    {"hidden_size": 2, "activations": ["Relu"]},
    "relu",
)
for op in ORDER:
    attrs = {"hidden_size": 2, "layout": 1, **({"linear_before_reset": 1} if op == "GRU" else {})}
    run = layer(op, "forward")

    def first_axis(x, w, r, b, run=run):  # type: ignore[no-untyped-def]
        y, *last = run(x.transpose(0, 1), w, r, b)
        return y.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in last)

    case(op, [real(1, 2, 1), *inputs(op, 1, True, None, False)[1:]], first_axis, attrs, "batch first")


def gru_by_hand(x, w, r, b):  # type: ignore[no-untyped-def]
    """linear_before_reset=0, which PyTorch has no kernel of."""
    wz, wr, wh = w[0].chunk(3)
    rz, rr, rh = r[0].chunk(3)
    bz, br, bh, cz, cr, ch = b[0].chunk(6)
    h = x.new_zeros(x.shape[1], r.shape[2])
    ys = []
    for step in x:
        z = torch.sigmoid(step @ wz.T + bz + h @ rz.T + cz)
        reset = torch.sigmoid(step @ wr.T + br + h @ rr.T + cr)
        h = (1 - z) * torch.tanh(step @ wh.T + bh + (reset * h) @ rh.T + ch) + z * h
        ys.append(h)
    return torch.stack(ys)[:, None], h[None]


case("GRU", inputs("GRU", 1, True, None, False, 2), gru_by_hand, {"hidden_size": 2}, "reset before the product", True)


def lstm_by_hand(x, w, r, b, _lengths, h, c, p, clip=None, coupled=False):  # type: ignore[no-untyped-def]
    """Peepholes, clip and input_forget, which PyTorch has no kernel of."""
    h, c, (pi, po, pf) = h[0], c[0], p[0].chunk(3)

    def kept(v: torch.Tensor) -> torch.Tensor:
        return v if clip is None else v.clamp(-clip, clip)

    ys = []
    for step in x:
        i, o, f, g = (step @ w[0].T + h @ r[0].T + sum(b[0].chunk(2))).chunk(4, -1)
        i = torch.sigmoid(kept(i + pi * c))
        f = 1 - i if coupled else torch.sigmoid(kept(f + pf * c))
        c = f * c + i * torch.tanh(kept(g))
        h = torch.sigmoid(kept(o + po * c)) * torch.tanh(c)
        ys.append(h)
    return torch.stack(ys)[:, None], h[None], c[None]


LSTM = [*inputs("LSTM", 1, True, None, True, 2), real(1, 6)]
case("LSTM", LSTM, lstm_by_hand, {"hidden_size": 2}, "peepholes", True)
case("LSTM", LSTM, lambda *i: lstm_by_hand(*i, clip=0.75), {"hidden_size": 2, "clip": 0.75}, "peepholes clip")
case(
    "LSTM", LSTM, lambda *i: lstm_by_hand(*i, coupled=True), {"hidden_size": 2, "input_forget": 1}, "peepholes coupled"
)
