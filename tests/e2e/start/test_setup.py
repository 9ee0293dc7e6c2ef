"""The set-up (local/setup): what it needs, what it passes on, what it does again, and what it says if it fails."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.builders import HOSTILE_SHELL
from tools.repository import ROOT

SETUP = "local/setup/run.mjs"
LIMIT_SECONDS = 60
# A step as in run.mjs. It installs one package, after the command that the variable BEFORE holds.
ONE_STEP = """
import { doSteps } from "./local/setup/steps.mjs";
const command = ["sh", "-c", `${process.env.BEFORE} && mkdir -p it/lib && touch it/lib/package && echo done >> log`];
const step = { title: "it", folder: "it", packages: "lib", inputs: [], commands: () => [command] };
doSteps([{ ...step, env: () => process.env }]).catch((failure) => console.log(failure.message));
"""
DONE = "Setting up it … 0 s\n"


def node(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Node in a folder; the places where it looks for Python are in that folder, too."""
    places = {"HOME": str(folder), "HOMEBREW_PREFIX": str(folder / "brew")}
    nowhere = dict.fromkeys(["PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"], "")
    return subprocess.run(
        [str(shutil.which("node")), *arguments],
        cwd=folder,
        env=os.environ | places | nowhere | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def one_step(clone: Path, before: str = "true") -> str:
    """Do one step; returns what was printed."""
    ended = node(clone, "--input-type=module", "--eval", ONE_STEP, BEFORE=before)
    assert ended.stderr == ""
    return ended.stdout


def executable(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone has for its set-up to begin with."""
    for name in ("package.json", "package-lock.json", "pyproject.toml", "poetry.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "local" / "setup", tmp_path / "local" / "setup")
    return tmp_path


@pytest.mark.parametrize(("version", "found"), [("3.12", "there is only 3.12"), ("", "there is none")])
def test_without_python_3_13_it_says_what_to_install(clone: Path, version: str, found: str) -> None:
    for name in ("python3.13", "python3", "python"):
        executable(clone / "bin" / name, f"echo {version}")

    refused = node(clone, SETUP, "true", PATH=str(clone / "bin"))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"Python 3.13 is needed, {found}: install it, for example with `uv python install 3.13`, "
        "`pyenv install 3.13` or `brew install python@3.13`.\n"
    )


@pytest.mark.parametrize(
    "folder",
    [
        ".local/share/uv/python/cpython-3.13.9-linux-x86_64-gnu",
        ".pyenv/versions/3.13.9",
        "brew/opt/python@3.13",
    ],
)
def test_python_is_found_where_uv_pyenv_and_homebrew_put_it(clone: Path, folder: str) -> None:
    executable(clone / folder / "bin" / "python3.13", f'echo 3.13; echo "$@" > {clone}/log')

    node(clone, SETUP, "true", PATH="/nowhere")

    assert (clone / "log").read_text() == "-m venv --clear .poetry\n"


@pytest.mark.parametrize(
    ("version", "said"),
    [
        *((version, "Node ^20.19.0 || ^22.13.0 || >=24 is needed, this is ") for version in ("20.18.3", "23.11.1")),
        *((version, "Python 3.13 is needed, ") for version in ("20.19.0", "22.13.1", "25.2.0")),
    ],
)
def test_a_node_that_osls_does_not_run_on_is_refused(clone: Path, version: str, said: str) -> None:
    pretends = f"{{ value: {{ ...process.versions, node: '{version}' }} }}"
    (clone / "version.cjs").write_text(f"Object.defineProperty(process, 'versions', {pretends})")

    refused = node(clone, SETUP, "true", NODE_OPTIONS=f"--require {clone}/version.cjs", PATH="/nowhere")

    assert refused.returncode == 1
    assert refused.stderr.startswith(said)
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("FileNotFoundError: [Errno 2] No such file", "log says why. Correct that"),
        ("npm error code ENOTFOUND", "its server cannot be reached. "),
        ("requests.exceptions.ProxyError: Cannot connect", "its server cannot be reached. "),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "its server's certificate is not trusted. Set "),
        ("npm error code EACCES\nnpm error syscall mkdir\nnpm error path /home/.npm", "it: EACCES: /home/.npm. "),
        ("[Errno 13] Permission denied: '/home/.m2'", "it: Permission denied: '/home/.m2'. Correct that"),
    ],
)
def test_a_step_that_fails_names_the_cause(clone: Path, printed: str, said: str) -> None:
    output = one_step(clone, before=f"printf '%s' \"{printed}\" && false")

    assert output.startswith("Setting up it … \nCould not set up it: ")
    assert said in output
    assert output.endswith(", then run the same command again.\n")
    assert not (clone / "it" / ".setup").exists()  # so it is done again


def test_a_step_is_done_again_if_a_package_is_gone_or_when_it_was_interrupted(clone: Path) -> None:
    assert [one_step(clone), one_step(clone)] == [DONE, ""]

    (clone / "it" / "lib" / "package").unlink()
    (clone / "it" / "leftover").touch()

    assert one_step(clone) == DONE
    assert not (clone / "it" / "leftover").exists()
    (clone / "it" / ".setup").unlink()
    assert one_step(clone) == DONE


def test_another_set_up_is_waited_for_but_not_what_is_left_of_one(clone: Path) -> None:
    (clone / ".setup").mkdir()
    lock = clone / ".setup" / "lock"
    lock.touch()
    os.utime(lock, (0, 0))
    assert one_step(clone) == DONE

    (clone / "it" / ".setup").unlink()
    lock.touch()
    with subprocess.Popen(["sh", "-c", f"sleep 1; rm {lock}"]):
        assert one_step(clone) == f"Another set-up is at work here; waiting for it …\n{DONE}"


def test_a_variable_that_hurts_reaches_no_command_and_any_other_one_does() -> None:
    kept = {"AWS_PROFILE": "mine", "PIP_INDEX_URL": "https://mirror/simple", "HTTPS_PROXY": "http://proxy"}
    hostile = HOSTILE_SHELL | {"PIP_ROOT": "/r", "PIP_DRY_RUN": "1", "no_proxy": "mirror"}

    printed = subprocess.run(
        [str(shutil.which("node")), str(ROOT / SETUP), "env"],
        cwd="/",
        env={name: value for name, value in os.environ.items() if name != "INIT_CWD"} | hostile | kept,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    reached = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    ours = {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8", "INIT_CWD": "/"}
    no_proxy = dict.fromkeys(["NO_PROXY", "no_proxy"], "mirror,127.0.0.1")
    assert reached.items() >= (kept | ours | no_proxy).items()
    hurting = ("PYTHON", "POWERTOOLS_", "LOG_LEVEL", "PIP_")
    assert [name for name in hostile.keys() & reached.keys() if name.startswith(hurting)] == []


def test_poetry_uses_the_proxy_and_the_certificates_of_pip(clone: Path) -> None:
    settings = "echo \"global.proxy='http://proxy:1'\"; echo \"global.cert='/company.pem'\""
    executable(clone / ".poetry" / "bin" / "python", f'test "$3" != config || {{ {settings}; }}')
    executable(clone / ".poetry" / "bin" / "poetry", "env; exit 1")
    executable(clone / "bin" / "python3.13", 'test "$1" != -c || echo 3.13')
    without = dict.fromkeys(["HTTPS_PROXY", "HTTP_PROXY", "REQUESTS_CA_BUNDLE"], "")

    node(clone, SETUP, "true", PATH=f"{clone}/bin:/usr/bin:/bin", **without)

    printed = (clone / ".setup" / "log").read_text().splitlines()
    assert {"HTTPS_PROXY=http://proxy:1", "HTTP_PROXY=http://proxy:1", "REQUESTS_CA_BUNDLE=/company.pem"} <= {*printed}
