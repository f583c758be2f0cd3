"""Builds and starts one program in five languages: that of this folder, or an example; and reads what they print."""

import dataclasses
import os
import pathlib
import re
import shlex
import signal
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = pathlib.Path(os.environ.get("WEFT_LIBRARY", ROOT / "build" / "dev" / "c_api" / "libweft.so"))
LANGUAGES = ("c", "cpp", "python", "java", "go")
TITLES = {"c": "C", "cpp": "C++", "python": "Python", "java": "Java", "go": "Go"}


class StepFailed(Exception):
    """A step did not succeed; its message is for people."""


def shell_line(command: list, cwd: pathlib.Path, env: dict) -> str:
    """What to type into a shell to run the same again."""
    gone = [f"--unset={name}" for name in os.environ if name not in env]
    new = [f"{name}={value}" for name, value in env.items() if os.environ.get(name) != value]
    return shlex.join(["env", f"--chdir={cwd}", *gone, *new, *command])


def run(step: str, command: list, cwd: pathlib.Path = ROOT, env: dict | None = None) -> str:
    """What the command prints; if it fails, one line says which step that was, why, and what to do."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, encoding="utf-8", errors="replace")
    except OSError as error:
        raise StepFailed(f"{step} failed: {error.filename}: {error.strerror}; tools/setup says what to install") from error
    if done.returncode != 0:
        log = ROOT / "build" / "logs" / f"{re.sub('[^A-Za-z0-9]+', '-', step)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{shell_line(command, cwd, env or dict(os.environ))}\n{done.stdout}{done.stderr}", encoding="utf-8")
        said = [line.strip() for line in (done.stderr.rstrip() or done.stdout.rstrip()).splitlines()]
        errors = [line.strip() for line in (done.stderr + done.stdout).splitlines() if re.search(r"\berror\b", line, re.I)]
        why = (errors or said[-1:] or [f"exit code {done.returncode}"])[0]
        if done.returncode < 0:
            why = f"ended by signal {-done.returncode} ({signal.strsignal(-done.returncode)})"
        raise StepFailed(f"{step} failed: {why}; see {log} for all that it said and the command to try again")
    return done.stdout


def number(text: str) -> float:
    return struct.unpack(">d", bytes.fromhex(text))[0]


@dataclasses.dataclass
class Programs:
    """How to start each language's program."""

    library: pathlib.Path
    folder: pathlib.Path  # where they are built
    source: pathlib.Path = HERE / "interop"  # their files, without the endings; Go's is in the folder go beside them
    commands: dict = dataclasses.field(default_factory=dict)

    def build(self, language: str) -> None:
        getattr(self, f"build_{language}")()

    def file(self, language: str) -> pathlib.Path:
        """The source in a language."""
        name = self.source.name
        java = "".join(word.capitalize() for word in name.split("_"))
        endings = {"c": f"{name}.c", "cpp": f"{name}.cc", "python": f"{name}.py", "java": f"{java}.java"}
        return self.source.parent / endings[language] if language != "go" else next(self.source.parent.glob("go/*.go"))

    def build_c(self) -> None:
        self.compile("c", ["gcc", "-std=c99"])

    def build_cpp(self) -> None:
        self.compile("cpp", ["g++", "-std=c++17", f"-I{ROOT}/bindings/cpp"])

    def compile(self, language: str, compiler: list) -> None:
        source, program = self.file(language), self.folder / f"{self.source.name}_{language}"
        where = self.library.parent
        run(
            f"compiling {source.name}",
            [*compiler, "-O1", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/c_api/include", source, "-o", program]
            + [f"-L{where}", "-lweft", f"-Wl,-rpath,{where}"],
        )
        self.commands[language] = [program]

    def build_python(self) -> None:
        self.commands["python"] = [sys.executable, self.file("python")]

    def build_java(self) -> None:
        jars = [jar for jar in (ROOT / "java" / "target").glob("weft-*.jar") if "-" not in jar.stem.removeprefix("weft-")]
        if not jars:
            raise StepFailed("there is no JAR in java/target; run mvn -f java/pom.xml package")
        source = self.file("java")
        run(f"compiling {source.name}", ["javac", "-cp", jars[0], "-sourcepath", source.parent, "-d", self.folder, source])
        self.commands["java"] = ["java", "-cp", f"{jars[0]}{os.pathsep}{self.folder}", source.stem]

    def build_go(self) -> None:
        program = self.folder / f"{self.source.name}_go"
        run("building the Go program", ["go", "build", "-C", self.file("go").parent, "-o", program, "."])
        self.commands["go"] = [program]

    def output(self, language: str, *args, cwd: pathlib.Path = ROOT) -> str:
        """What a program prints."""
        environment = dict(os.environ, WEFT_LIBRARY=str(self.library))
        step = f"{args[0] if args else self.source.name} in {TITLES[language]}"
        return run(step, [*self.commands[language], *args], cwd, env=environment)

    def call(self, language: str, *args) -> list:
        """The words of each line of output."""
        return [line.split() for line in self.output(language, *args).splitlines()]

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
