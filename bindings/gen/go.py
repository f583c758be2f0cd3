"""The generated files of the Go package: the table of C functions, its numbers, the operators and the layers."""

import go_ops
import go_table


def files():
    yield from go_table.files()
    yield from go_ops.files()
