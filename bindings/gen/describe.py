"""Writes bindings/ops.json from the operators and layers that a built library knows."""

import ctypes
import json


def inspect(library, function, name):
    out = ctypes.c_void_p()
    failed = getattr(library, function)(name, ctypes.byref(out))
    if failed:
        raise RuntimeError(f"{function}({name.decode()}) failed")
    try:
        return json.loads(ctypes.string_at(library.weft_bytes_data(out), library.weft_bytes_size(out)))
    finally:
        library.weft_bytes_free(out)


def describe(path):
    """The text of ops.json."""
    library = ctypes.CDLL(str(path))
    for name in ("weft_op_name", "weft_layer_name"):
        getattr(library, name).restype = ctypes.c_char_p
        getattr(library, name).argtypes = [ctypes.c_int32]
    for name in ("weft_op_inspect", "weft_layer_inspect"):
        getattr(library, name).restype = ctypes.c_void_p
        getattr(library, name).argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    library.weft_bytes_data.restype = ctypes.c_void_p
    library.weft_bytes_data.argtypes = [ctypes.c_void_p]
    library.weft_bytes_size.restype = ctypes.c_size_t
    library.weft_bytes_size.argtypes = [ctypes.c_void_p]
    library.weft_bytes_free.argtypes = [ctypes.c_void_p]
    ops = [library.weft_op_name(i) for i in range(library.weft_op_count())]
    layers = [library.weft_layer_name(i) for i in range(library.weft_layer_count())]

    def lines(function, names):
        return ",\n".join(json.dumps(inspect(library, function, name), ensure_ascii=False) for name in names)

    return (
        '{"ops": [\n' + lines("weft_op_inspect", ops) + '\n],\n"layers": [\n' + lines("weft_layer_inspect", layers)
        + "\n]}\n"
    )
