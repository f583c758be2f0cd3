# Made by SWIG from the C headers: every function of the C ABI by its name.
from typing import Any

def __getattr__(name: str) -> Any: ...
