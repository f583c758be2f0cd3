"""What tools/demo does once everything is installed: builds, trains from five languages, compares, draws."""

import os
import pathlib
import sys
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from driver import LANGUAGES, TITLES, Programs, StepFailed, run  # noqa: E402

BUILD = ROOT / "build" / "demo"
OUT = ROOT / "out"
LIBRARY = BUILD / "c_api" / "libweft.so"
EPOCHS = 20
NETS = {"mlp": "two-layer network", "cnn": "convolutional network"}


class Step:
    """Says what is done, and how long it took; a line of its own on a terminal, where it changes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __enter__(self) -> "Step":
        self.start = time.monotonic()
        if sys.stdout.isatty():
            print(f"  {self.text} ...", end="", flush=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            begin = "\r" if sys.stdout.isatty() else ""
            print(f"{begin}  {self.text:<58} {time.monotonic() - self.start:6.1f} s", flush=True)
        elif sys.stdout.isatty():
            print()


def build() -> None:
    print("Building")
    python = sys.executable
    environment = dict(os.environ, WEFT_LIBRARY=str(LIBRARY))
    with Step("libweft"):
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DWEFT_TESTS=OFF", "-DWEFT_BENCHMARKS=OFF"]
        run("configuring", ["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", *options])
        run("building libweft", ["ninja", "-C", BUILD, "weft"])
    with Step("Python package"):
        install = [python, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--force-reinstall"]
        # As users install it: it builds a library of its own, which the compiler's cache makes short.
        alone = {name: value for name, value in environment.items() if name != "WEFT_LIBRARY"}
        # The cache knows compilers by name, and scikit-build-core would call this one by another than CMake does.
        alone = {"CC": "cc", "CXX": "c++", **alone}
        run("pip install", [*install, ROOT / "python"], env=alone)
    with Step("JAR"):
        run("mvn package", ["mvn", "-B", "-q", "-f", ROOT / "java" / "pom.xml", "-DskipTests", "package"], env=environment)


def programs() -> Programs:
    made = Programs(LIBRARY, BUILD)
    for language in LANGUAGES:
        with Step(f"program in {TITLES[language]}"):
            made.build(language)
    return made


def losses_table(losses: dict) -> None:
    print("  epoch" + "".join(f"{TITLES[language]:>12}" for language in LANGUAGES))
    for epoch in range(EPOCHS):
        print(f"  {epoch + 1:5}" + "".join(f"{losses[language][epoch]:12.7f}" for language in LANGUAGES))
    same = len({tuple(values) for values in losses.values()}) == 1
    print(f"  {'identical, to the last bit' if same else 'THEY DIFFER'}\n")
    if not same:
        raise StepFailed("comparing losses failed: the languages do not agree; please report it")


def matrix(title: str, cells: dict, text) -> None:
    """cells[loader][saver]; text(cell) -> what is shown; all cells must be equal."""
    print(f"  {title}")
    print(f"  {'loaded by':>12}" + "".join(f"{TITLES[saver]:>12}" for saver in LANGUAGES) + "   (saved by)")
    for loader in LANGUAGES:
        print(f"  {TITLES[loader]:>12}" + "".join(f"{text(cells[loader][saver]):>12}" for saver in LANGUAGES))
    everything = {cell for row in cells.values() for cell in row.values()}
    print(f"  {'25 cells with the same bits' if len(everything) == 1 else 'THEY DIFFER'}\n")
    if len(everything) != 1:
        raise StepFailed("comparing models failed: the cells do not agree; please report it")


def train(all_programs: Programs, net: str, folder: pathlib.Path) -> tuple[list, float]:
    print(f"\nTraining the {NETS[net]}: Adam 1e-3, batch 32, {EPOCHS} epochs, seed 1")
    losses, models, resumed = {}, {}, {}
    for language in LANGUAGES:
        with Step(f"training in {TITLES[language]}"):
            losses[language] = all_programs.train(language, net, folder, EPOCHS)
    losses_table(losses)
    for language in LANGUAGES:
        with Step(f"loading all five models in {TITLES[language]}"):
            models[language] = all_programs.load(language, net, folder)
    matrix("test accuracy of the model, predicted where it was loaded", models, lambda cell: f"{cell[0]:.2%}")
    if net == "mlp":
        for language in LANGUAGES:
            with Step(f"going on from all five checkpoints in {TITLES[language]}"):
                resumed[language] = all_programs.resume(language, net, folder, EPOCHS)
        matrix(
            f"loss of epoch {EPOCHS}, trained on from the checkpoint of epoch {EPOCHS // 2}",
            resumed,
            lambda cell: f"{cell[0]:.7f}",
        )
    return losses["c"], models["c"]["c"][0]


def examples(all_programs: Programs) -> None:
    print("\nOne crossing each: eig(matmul(A, transpose(A))), relu(matmul(l1, W1) + b1), and all seven layers in training")
    found = {language: all_programs.example(language) for language in LANGUAGES}
    for language in LANGUAGES:
        print(f"  {TITLES[language]:>8}" + "".join(f"   {name} {value}" for name, value in found[language].items()))
    if len({tuple(sorted(result.items())) for result in found.values()}) != 1:
        raise StepFailed("comparing the examples failed: the languages do not agree; please report it")


def picture(losses: dict, folder: pathlib.Path) -> pathlib.Path:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    import weft

    data = weft.Dataset.load(ROOT / "examples" / "data" / "digits.safetensors", ["images", "labels"]).rows(1500, 297)
    graph = weft.Graph.load(folder / "python.cnn.onnx")
    logits = weft.Session(graph).predict(data, [graph.inputs[0], None], graph.outputs[0])
    guesses, truth, images = logits.argmax(axis=1), data[1], data[0].reshape(-1, 8, 8)
    wrong = [int(i) for i in (guesses != truth).nonzero()[0]][:4]
    shown = [i for i in range(len(truth)) if i not in wrong][: 16 - len(wrong)] + wrong
    figure = plt.figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.1, 1])
    axes = left.subplots()
    for net, values in losses.items():
        axes.plot(range(1, len(values) + 1), values, marker=".", label=NETS[net])
    axes.set(xlabel="epoch", ylabel="mean loss", yscale="log", title="The same curve from five languages")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    axes.grid(alpha=0.3)
    right.suptitle("Predictions of the convolutional network (red: wrong)")
    for i, cell in zip(shown, right.subplots(4, 4).flat):
        cell.imshow(images[i], cmap="gray_r")
        cell.set_title(str(guesses[i]), color="black" if guesses[i] == truth[i] else "red", fontsize=10)
        cell.axis("off")
    path = OUT / "digits.png"
    figure.savefig(path, dpi=120)
    return path


def main() -> None:
    start = time.monotonic()
    OUT.mkdir(exist_ok=True)
    folder = OUT / "models"
    folder.mkdir(exist_ok=True)
    try:
        build()
        all_programs = programs()
        losses, accuracy = {}, {}
        for net in NETS:
            losses[net], accuracy[net] = train(all_programs, net, folder)
        examples(all_programs)
        if accuracy["cnn"] < 0.97:
            raise StepFailed(f"the convolutional network is right on {accuracy['cnn']:.1%} of the digits, not on 97 %; please report it")
        try:
            path = picture(losses, folder)
        except Exception as error:
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            raise StepFailed(f"drawing the picture failed: {what}; call tools/setup, and report it if it happens again") from error
    except StepFailed as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\ninterrupted")
    print(f"\nAccuracy on the 297 test digits: {accuracy['mlp']:.1%} (two layers), {accuracy['cnn']:.1%} (convolutional)")
    print(f"Picture: {path}")
    print(f"All of it took {time.monotonic() - start:.0f} s.")


if __name__ == "__main__":
    main()
