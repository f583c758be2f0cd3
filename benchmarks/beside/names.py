"""Who is timed, and from which language."""

from __future__ import annotations

OURS = "weft"
# Called from Python.
PEERS = ("onnxruntime", "openvino", "torch", "torch_compile", "jax", "tensorflow", "litert")
TRAINERS = ("torch", "torch_compile", "jax", "tensorflow")
# Programs in other languages have its name behind their own: weft_java. What Weft takes from C, the others are compared with.
OURS_IN_C = "weft_c"
PROGRAMS = (OURS_IN_C, "weft_cpp", "weft_java", "weft_go", "onnxruntime_c", "onnxruntime_java", "onnxruntime_go")

LANGUAGES = {"c": "C", "cpp": "C++", "python": "Python", "java": "Java", "go": "Go"}
TITLES = {
    "weft": "Weft",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "torch": "PyTorch",
    "torch_compile": "PyTorch, compiled",
    "jax": "JAX",
    "tensorflow": "TensorFlow",
    "litert": "LiteRT",
}


def parts(name: str) -> tuple[str, str]:
    """Who that is, and the language."""
    who, _, language = name.rpartition("_")
    return (who, language) if name in PROGRAMS else (name, "python")


def title(name: str) -> str:
    who, language = parts(name)
    return TITLES.get(who, who) + (f" from {LANGUAGES[language]}" if language != "python" else "")
