"""Linear algebra. What only reads a triangle is a function of a symmetric matrix, and vectors have the signs that Weft gives."""

import torch

from golden.making import case, real, steep, symmetric


def even(a: torch.Tensor) -> torch.Tensor:
    return (a + a.mT) / 2


def signs(v: torch.Tensor) -> torch.Tensor:
    """For each column that which makes its first largest element positive."""
    at = (v.detach().abs() * (1 + 1e-12 * torch.arange(v.shape[-2], 0, -1)[:, None])).argmax(-2, keepdim=True)
    return v.detach().gather(-2, at).sign()


def eigh(a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    values, vectors = torch.linalg.eigh(even(a))
    return values, vectors * signs(vectors)


def svd(a: torch.Tensor) -> tuple[torch.Tensor, ...]:
    u, s, vt = torch.linalg.svd(a, full_matrices=False)
    sign = signs(u)
    return u * sign, s, vt * sign.mT


def qr(a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    q, r = torch.linalg.qr(a)
    sign = torch.diagonal(r.detach(), dim1=-2, dim2=-1).sign()[..., None]
    return q * sign.mT, r * sign


for shape in ((1, 1), (2, 2), (3, 3), (2, 2, 2)):
    case("Det", [steep(*shape, add=0)], torch.linalg.det, name=f"{shape}", second=True)
    case("weft.Inverse", [steep(*shape)], torch.linalg.inv, name=f"{shape}", second=True)
    case("weft.SlogDet", [steep(*shape)], torch.linalg.slogdet, name=f"{shape}", second=True)
    case("weft.MatrixExp", [real(*shape, low=-1, high=1)], torch.linalg.matrix_exp, name=f"{shape}", second=True)
    case(
        "weft.Cholesky",
        [symmetric(*shape, add=2)],
        lambda a: torch.linalg.cholesky(even(a)),
        name=f"{shape}",
        second=True,
    )
    case("weft.Eigh", [symmetric(*shape)], eigh, name=f"{shape}", second=True)
    case("weft.Solve", [steep(*shape), real(*shape[:-1], 2)], torch.linalg.solve, name=f"{shape}", second=True)
case("Det", [real(4, 4)], torch.linalg.det, name="(4, 4)")
case(
    "Det",
    [[[1.0, 2.0, 0.5], [2.0, 4.0, 1.0], [0.0, 1.0, 3.0]]],
    lambda a: torch.dot(a[0], torch.linalg.cross(a[1], a[2])),
    name="singular",
)
case("weft.MatrixExp", [real(3, 3, low=-4, high=4)], torch.linalg.matrix_exp, name="of large ones")
case("weft.MatrixExp", [[[0.0, 1.0], [0.0, 0.0]]], torch.linalg.matrix_exp, name="nilpotent", second=True)
for shape in ((2, 2), (3, 2), (2, 3), (2, 3, 2)):
    case("weft.Svd", [real(*shape)], svd, name=f"{shape}", second=shape[-1] == shape[-2])
    case("weft.Svd", [real(*shape)], lambda a: svd(a)[:1], name=f"{shape} U")
    case("weft.Pinv", [real(*shape)], torch.linalg.pinv, name=f"{shape}", second=True)
    case(
        "weft.Lstsq",
        [real(*shape), real(*shape[:-1], 2)],
        lambda a, b: torch.linalg.pinv(a) @ b,
        name=f"{shape}",
        second=True,
    )
    if shape != (2, 3):
        case("weft.Qr", [real(*shape)], qr, name=f"{shape}", second=shape[-2] >= shape[-1])
for lower in (0, 1):
    for transposed in (0, 1):
        for unit in (0, 1):

            def solve(a, b, lower=lower, transposed=transposed, unit=unit):  # type: ignore[no-untyped-def]
                upper = bool(lower) == bool(transposed)
                return torch.linalg.solve_triangular(
                    a.mT if transposed else a, b, upper=upper, unitriangular=bool(unit)
                )

            case(
                "weft.TriangularSolve",
                [steep(3, 3), real(3, 2)],
                solve,
                {"lower": lower, "transposed": transposed, "unit_diagonal": unit},
                f"lower {lower} transposed {transposed} unit {unit}",
                unit == 0,
            )
case(
    "weft.TriangularSolve",
    [steep(2, 2, 2), real(2, 2, 1)],
    lambda a, b: torch.linalg.solve_triangular(a, b, upper=True),
    {},
    "two matrices",
    True,
)
for a, b in (((2, 2), (2, 3)), ((3,), (2,)), ((2, 1), (2,)), ((2,), (2, 2)), ((1, 2, 2), (2, 1, 2))):
    case("weft.Kron", [real(*a), real(*b)], torch.kron, name=f"{a} {b}", second=True)
for a, b, axis in (((3,), (3,), -1), ((2, 3), (2, 3), -1), ((3, 2), (3, 2), 0), ((2, 1, 3), (2, 3), -1)):
    case(
        "weft.Cross",
        [real(*a), real(*b)],
        lambda x, y, d=axis: torch.linalg.cross(*torch.broadcast_tensors(x, y), dim=d),
        {"axis": axis},
        f"{a} {b} along {axis}",
        True,
    )
