"""Transforms: real and imaginary parts are the last axis."""

import torch

from golden.making import case, real


def parts(x: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(x.contiguous())


def whole(x: torch.Tensor) -> torch.Tensor:
    return torch.view_as_complex(x.contiguous())


for shape, axis in (((1, 5, 2), 1), ((2, 4, 2), -2), ((3, 2, 2), 0)):
    at = axis if axis >= 0 else axis + 1
    case(
        "DFT",
        [real(*shape), None, axis],
        lambda x, _, a, k=at: parts(torch.fft.fft(whole(x), dim=k)),
        {},
        f"{shape} along {axis}",
    )
    case(
        "DFT",
        [real(*shape), None, axis],
        lambda x, _, a, k=at: parts(torch.fft.ifft(whole(x), dim=k)),
        {"inverse": 1},
        f"inverse {shape} along {axis}",
    )
for shape, length in (((1, 5, 1), None), ((2, 4, 1), 6), ((2, 5, 1), 3)):
    case(
        "DFT",
        [real(*shape), *([] if length is None else [length])],
        lambda x, _=None, n=length: parts(torch.fft.fft(x[..., 0], n)),
        {},
        f"of real numbers {shape} {length}",
    )
    case(
        "DFT",
        [real(*shape), *([] if length is None else [length])],
        lambda x, _=None, n=length: parts(torch.fft.rfft(x[..., 0], n)),
        {"onesided": 1},
        f"one side {shape} {length}",
    )
for norm in ("backward", "ortho", "forward"):
    attrs = {"norm": norm}
    case("weft.Fft", [real(2, 3, 2)], lambda x, m=norm: parts(torch.fft.fft(whole(x), norm=m)), attrs, norm)
    case("weft.Ifft", [real(2, 3, 2)], lambda x, m=norm: parts(torch.fft.ifft(whole(x), norm=m)), attrs, norm)
    for n in (4, 5):
        case("weft.Rfft", [real(2, n)], lambda x, m=norm: parts(torch.fft.rfft(x, norm=m)), attrs, f"{norm} {n}")
        case(
            "weft.Irfft",
            [real(2, 3, 2)],
            lambda x, m=norm, n=n: torch.fft.irfft(whole(x), n, norm=m),
            {**attrs, "n": n},
            f"{norm} {n}",
        )
case(
    "weft.Fft",
    [real(3, 2, 2)],
    lambda x: parts(torch.fft.fft(whole(x), 4, 0)),
    {"n": 4, "axis": 0},
    "longer, first axis",
)
case(
    "STFT",
    [real(1, 8, 1), 2, real(4)],
    lambda x, _, w: parts(torch.stft(x[..., 0], 4, 2, window=w, center=False, return_complex=True)).transpose(1, 2),
    {},
    "window",
    True,
)
case(
    "STFT",
    [real(1, 7, 1), 3, None, 4],
    lambda x, *_: parts(
        torch.stft(
            x[..., 0],
            4,
            3,
            window=torch.ones(4, dtype=torch.float64),
            center=False,
            onesided=False,
            return_complex=True,
        )
    ).transpose(1, 2),
    {"onesided": 0},
    "both sides",
)
