"""Every language trains, loads what every other saved, and goes on where every other stopped, with the same bits."""

import pathlib

import pytest
from driver import LANGUAGES, LIBRARY, Programs

EPOCHS = 4


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    made = Programs(LIBRARY, tmp_path_factory.mktemp("programs"))
    for language in LANGUAGES:
        made.build(language)
    return made


@pytest.fixture(scope="session")
def trained(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, dict]:
    folder = tmp_path_factory.mktemp("models")
    losses = {language: programs.train(language, "mlp", folder, EPOCHS) for language in LANGUAGES}
    return folder, losses


def test_losses_are_the_same_everywhere(trained: tuple[pathlib.Path, dict]) -> None:
    _, losses = trained
    assert len(losses["c"]) == EPOCHS and losses["c"][-1] < losses["c"][0]
    for language in LANGUAGES:
        assert losses[language] == losses["c"], language


def test_losses_of_convolutions_are_the_same_everywhere(programs: Programs, tmp_path: pathlib.Path) -> None:
    losses = {language: programs.train(language, "cnn", tmp_path, 2) for language in LANGUAGES}
    assert len(losses["c"]) == 2 and losses["c"][1] < losses["c"][0]
    for language in LANGUAGES:
        assert losses[language] == losses["c"], language


def test_checkpoints_are_the_same_everywhere(trained: tuple[pathlib.Path, dict]) -> None:
    folder, _ = trained
    for ending in ("half", "full"):
        wanted = (folder / f"c.mlp.{ending}").read_bytes()
        for language in LANGUAGES:
            assert (folder / f"{language}.mlp.{ending}").read_bytes() == wanted, (language, ending)


@pytest.mark.parametrize("loader", LANGUAGES)
def test_models_give_the_same_everywhere(programs: Programs, trained: tuple[pathlib.Path, dict], loader: str) -> None:
    results = programs.load(loader, "mlp", trained[0])
    assert set(results) == set(LANGUAGES)
    assert len(set(results.values()) | set(programs.load("c", "mlp", trained[0]).values())) == 1


@pytest.mark.parametrize("loader", LANGUAGES)
def test_training_goes_on_with_the_same_bits(
    programs: Programs, trained: tuple[pathlib.Path, dict], loader: str
) -> None:
    folder, losses = trained
    results = programs.resume(loader, "mlp", folder, EPOCHS)
    assert set(results) == set(LANGUAGES)
    for saver, (loss, variables) in results.items():
        assert loss == losses["c"][-1], saver
        assert variables == results["c"][1], saver


def test_examples_are_the_same_everywhere(programs: Programs) -> None:
    wanted = programs.example("c")
    assert set(wanted) == {"eig", "relu"}
    for language in LANGUAGES:
        assert programs.example(language) == wanted, language
