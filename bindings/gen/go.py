"""The generated files of the Go package: the table of C functions, its numbers, the operators and layers; tests of the cases."""

import go_cases
import go_ops
import go_table


def files():
    yield from go_table.files()
    yield from go_ops.files()


def tests():
    return go_cases.tests()
