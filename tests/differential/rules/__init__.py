"""What schemas cannot say, a file a subject; importing this registers all of it."""

from rules import classical, elementwise, images, lines, movement, normalization  # noqa: F401
from rules import products, sequences, signals, text, training  # noqa: F401
