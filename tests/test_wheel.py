"""The wheel, built and installed for real, and started where other packages have our names."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("audit", "reports")


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, built from the repository."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    succeed(command, repository)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment's bin folder: the wheel installed, the dependencies borrowed from the one that runs the tests."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    succeed([sys.executable, *install], home)
    # A path named in a .pth file is not searched for .pth files itself, so the
    # editable install of the repository stays out of this environment.
    paths = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})
    Path(paths["purelib"], "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return home / "bin"


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A folder of a user's own that has packages named as ours are."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('the wrong package was imported')\n")
    return tmp_path


def succeed(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run(command: list[str | Path], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_wheel_holds_every_file_of_our_packages(repository: Path, wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = [path for package in PACKAGES for path in (repository / package).rglob("*") if path.is_file()]
    wanted = {path.relative_to(repository).as_posix() for path in files if "__pycache__" not in path.parts}
    assert wanted - held == set()
    assert any(name.endswith(".toml") for name in wanted), "no suite was looked for"


def test_wheel_holds_nothing_but_our_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"audit", "reports", "evenhand.py"}


def test_wheel_carries_the_license(wheel: Path) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_command_works_in_a_folder_with_packages_of_our_names(environment: Path, crowded: Path) -> None:
    done = run([environment / "evenhand", "--help"], crowded)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: evenhand")


def test_module_works_in_an_empty_folder(environment: Path, tmp_path: Path) -> None:
    done = run([environment / "python", "-m", "evenhand", "--help"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: evenhand")


def test_module_works_beside_plain_folders_of_our_names(environment: Path, tmp_path: Path) -> None:
    for package in PACKAGES:
        (tmp_path / package).mkdir()
    done = run([environment / "python", "-m", "evenhand", "--help"], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("shape", ["{}/__init__.py", "{}.py"])
def test_module_names_the_path_that_hides_ours(environment: Path, tmp_path: Path, package: str, shape: str) -> None:
    stranger = tmp_path / shape.format(package)
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_text("raise SystemExit('the wrong package was imported')\n")
    done = run([environment / "python", "-m", "evenhand", "--help"], tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    shown = stranger.parent if stranger.name == "__init__.py" else stranger
    assert line.startswith(f"evenhand: {shown} hides evenhand's own package {package!r}")
    assert done.stdout == ""


def test_command_names_the_path_that_hides_ours_through_pythonpath(
    environment: Path, crowded: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = run([environment / "evenhand", "--help"], tmp_path_factory.mktemp("cwd"), PYTHONPATH=str(crowded))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"{crowded / 'audit'} hides" in line
    assert line.endswith(f"take {crowded} off PYTHONPATH")
