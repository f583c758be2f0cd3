# Made by SWIG from the C headers: every function of the C ABI by its name.
from typing import Any

class Exporter:
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Numbered:
    id: int
    def __hash__(self) -> int: ...

def __getattr__(name: str) -> Any: ...
