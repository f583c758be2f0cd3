"""Checks that a test of each language calls each function that the language has of an operator or a layer: tools/check_calls.

Tests are those that are written by hand and those that are made of tests/ops. A call by the operator's name, which the
latter have where a function cannot say what the case says, is none of the function.
"""

import collections
import re
import sys

import coverage
import cpp_cases
import go
import java
import model
import python_ops

JAVA = "java/src/main/java/io/weft"
GENERATED = re.compile(r"\bgenerated\b.*\bdo not edit\b", re.IGNORECASE)
COMMENT = re.compile(r"^\s*(//|/?\*|#).*$", re.MULTILINE)
# Where each language's tests are: what is written by hand, and what makes the others.
TESTS = {
    "C++": ("tests/cpp/**/*.cc", cpp_cases.tests),
    "Python": ("python/tests/**/*.py", python_ops.tests),
    "Java": ("java/src/test/**/*.java", java.tests),
    "Go": ("go/**/*_test.go", go.tests),
}
# Where the generated functions are, how a line declares one, and how a test calls one. The cases of Python have the function
# as an argument.
FUNCTIONS = (
    ("C++", "bindings/cpp/weft/ops.hpp", r"^inline (?:Value|std::vector<Value>|\w+Outputs) (\w+)\(", r"\bweft::(\w+)\("),
    ("C++", "bindings/cpp/weft/layers.hpp", r"^class (\w+) : public Layer\b", r"\bweft::layers::(\w+)(?: \w+)?\("),
    ("Python", "python/weft/ops.py", r"^def (\w+)\(", r"\bweft\.(?:ops\.)?(\w+)[(,]"),
    ("Python", "python/weft/layers.py", r"^class (\w+)\(", r"\b([A-Z]\w*)\("),
    ("Java", f"{JAVA}/Ops.java", r"^  public (?:Value|List<Value>|\w+Outputs) (\w+)\(", r"\bops(?:\(\))?\s*\.(\w+)\("),
    ("Java", f"{JAVA}/Layers.java", r"^  public Layer (\w+)\(", r"\blayers(?:\(\))?\s*\.(\w+)\("),
    ("Go", "go/ops/*.go", r"^func ([A-Z]\w*)\(", r"\bops\.(\w+)\("),
    ("Go", "go/layers.go", r"^func (New\w+)\(", r"\bweft\.(New\w+)\("),
)
# How a test calls the function of an operator that is written by hand.
BY_HAND = {
    "C++": lambda op: rf"(\.|->){model.snake(op.name)}_?\(",
    "Python": lambda op: rf"\.{model.snake(op.name)}_?\(",
    "Java": lambda op: rf"\.{model.camel(op.name)}_?\(",
    "Go": lambda op: rf"\.{op.name}\(",
}


def texts(language):
    """The text of a language's tests, without comments."""
    pattern, made = TESTS[language]
    found = [path.read_text(encoding="utf-8") for path in sorted(model.ROOT.glob(pattern))]
    # What is generated may not be there yet, or be older than the cases.
    found = [text for text in found if not GENERATED.search("\n".join(text.splitlines()[:5]))]
    return COMMENT.sub("", "\n".join(found + [text for _, text in made()]))


def declared(pattern, declaration):
    paths = [path for path in sorted(model.ROOT.glob(pattern)) if not path.name.endswith("_test.go")]
    names = {name for path in paths for name in re.findall(declaration, path.read_text(encoding="utf-8"), re.MULTILINE)}
    if not names:
        raise ValueError(f"{pattern} declares functions in a way that is not known here")
    return names


def main():
    counts, errors = collections.Counter(), []
    tests = {language: texts(language) for language in TESTS}
    for language, pattern, declaration, call in FUNCTIONS:
        names = declared(pattern, declaration)
        counts[language] += len(names)
        missing = names - set(re.findall(call, tests[language]))
        errors += [f"{language}: no test calls {name} of {pattern}" for name in sorted(missing)]
    for op in model.load()[0]:
        for language in coverage.languages(op) if not op.is_plain else ():
            counts[language] += 1
            if not re.search(BY_HAND[language](op), tests[language]):
                errors.append(f"{language}: no test calls the function of {op.full_name}")
    summary = ", ".join(f"{count} in {language}" for language, count in counts.items())
    print("\n".join(errors) if errors else f"check_calls: the tests call all functions of operators and layers: {summary}")
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()
