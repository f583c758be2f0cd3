"""Builds and starts the five programs of this folder, and reads what they print."""

import dataclasses
import os
import pathlib
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
LANGUAGES = ("c", "cpp", "python", "java", "go")
TITLES = {"c": "C", "cpp": "C++", "python": "Python", "java": "Java", "go": "Go"}


class StepFailed(Exception):
    """A step did not succeed; its message is for people."""


def run(step: str, command: list, **more) -> str:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, **more)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise StepFailed(f"{step} failed: {lines[-1] if lines else 'exit code ' + str(done.returncode)}")
    return done.stdout


def number(text: str) -> float:
    return struct.unpack(">d", bytes.fromhex(text))[0]


@dataclasses.dataclass
class Programs:
    """How to start each language's program."""

    library: pathlib.Path
    folder: pathlib.Path  # where they are built
    commands: dict = dataclasses.field(default_factory=dict)

    def build(self, language: str) -> None:
        getattr(self, f"build_{language}")()

    def build_c(self) -> None:
        self.compile("c", ["gcc", "-std=c99"], HERE / "interop.c")

    def build_cpp(self) -> None:
        self.compile("cpp", ["g++", "-std=c++17", f"-I{ROOT}/bindings/cpp"], HERE / "interop.cc")

    def compile(self, language: str, compiler: list, source: pathlib.Path) -> None:
        program = self.folder / f"interop_{language}"
        where = self.library.parent
        run(
            f"compiling {source.name}",
            [*compiler, "-O1", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/c_api/include", source, "-o", program]
            + [f"-L{where}", "-lweft", f"-Wl,-rpath,{where}"],
        )
        self.commands[language] = [program]

    def build_python(self) -> None:
        self.commands["python"] = [sys.executable, HERE / "interop.py"]

    def build_java(self) -> None:
        jars = [jar for jar in (ROOT / "java" / "target").glob("weft-*.jar") if "-" not in jar.stem.removeprefix("weft-")]
        if not jars:
            raise StepFailed("there is no JAR in java/target; run mvn -f java/pom.xml package")
        run("compiling Interop.java", ["javac", "-cp", jars[0], "-d", self.folder, HERE / "Interop.java"])
        self.commands["java"] = ["java", "-cp", f"{jars[0]}{os.pathsep}{self.folder}", "Interop"]

    def build_go(self) -> None:
        program = self.folder / "interop_go"
        run("building the Go program", ["go", "build", "-C", HERE / "go", "-o", program, "."])
        self.commands["go"] = [program]

    def call(self, language: str, *args) -> list:
        """The words of each line of output."""
        environment = dict(os.environ, WEFT_LIBRARY=str(self.library))
        text = run(f"{args[0]} in {TITLES[language]}", [*self.commands[language], *args], env=environment)
        return [line.split() for line in text.splitlines()]

    # -- The commands.

    def train(self, language: str, net: str, folder: pathlib.Path, epochs: int) -> list:
        """The losses."""
        return [number(words[2]) for words in self.call(language, "train", net, folder, epochs)]

    def load(self, language: str, net: str, folder: pathlib.Path) -> dict:
        """By the language that saved: accuracy and hash of the logits."""
        return {words[1]: (number(words[2]), words[3]) for words in self.call(language, "load", net, folder)}

    def resume(self, language: str, net: str, folder: pathlib.Path, epochs: int) -> dict:
        """By the language that saved: last loss and hash of the variables."""
        lines = self.call(language, "resume", net, folder, epochs)
        return {words[1]: (number(words[2]), words[3]) for words in lines}

    def example(self, language: str) -> dict:
        """By the name of the example, the hash of its result."""
        return {words[1]: words[2] for words in self.call(language, "example")}


