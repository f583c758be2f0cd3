"""The cases whose values PyTorch gives, a file a subject; importing this makes all of them."""

from golden import (
    elementwise,
    images,
    linalg,
    lines,
    movement,
    normalization,
    products,
    recurrent,
    signals,
)  # noqa: F401
