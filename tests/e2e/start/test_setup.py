"""The set-up (local/setup): what it needs, what it passes on, what it does again, and what it says if it fails."""

import json
import os
import shutil
import subprocess
import time
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


def log(clone: Path) -> list[str]:
    return (clone / "log").read_text().splitlines()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone has for its set-up to begin with."""
    for name in ("package.json", "package-lock.json", "pyproject.toml", "poetry.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "local", tmp_path / "local", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def pretended(clone: Path, version: str) -> Path:
    """A script that has Node take itself for another version."""
    script = clone / "version.cjs"
    script.write_text(
        f"Object.defineProperty(process, 'versions', {{ value: {{ ...process.versions, node: '{version}' }} }})"
    )
    return script


def executable(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


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

    assert log(clone) == ["-m venv --clear .poetry"]


@pytest.mark.parametrize("version", ["18.20.0", "20.18.3", "22.12.0", "23.11.1"])
def test_a_node_that_osls_does_not_run_on_is_refused(clone: Path, version: str) -> None:
    refused = node(clone, SETUP, "true", NODE_OPTIONS=f"--require {pretended(clone, version)}")

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Node ^20.19.0 || ^22.13.0 || >=24 is needed, this is {version}: install one ")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("version", ["20.19.0", "22.13.1", "24.0.0", "25.2.0"])
def test_a_node_that_osls_runs_on_is_accepted(clone: Path, version: str) -> None:
    without_python = node(clone, SETUP, "true", NODE_OPTIONS=f"--require {pretended(clone, version)}", PATH="/nowhere")

    assert without_python.stderr.startswith("Python 3.13 is needed, ")


def test_without_network_it_says_so_and_nothing_counts_as_done(clone: Path) -> None:
    refused = node(clone, SETUP, "true", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_FIND_LINKS="")

    assert refused.returncode == 1
    assert refused.stderr.startswith("Could not set up Poetry: its server cannot be reached. Check the network")
    assert refused.stderr.count("\n") == 1
    assert not (clone / ".poetry" / ".setup").exists()


def test_a_path_that_no_list_of_paths_can_hold_is_refused(clone: Path) -> None:
    folder = clone / "a:b"
    shutil.copytree(clone / "local", folder / "local")
    shutil.copy(clone / "package.json", folder)

    assert node(folder, SETUP, "true").stderr == 'No folder on the clone\'s path may have a ":" in its name.\n'


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


def test_a_folder_that_cannot_be_written_is_named_in_one_line(clone: Path) -> None:
    (clone / ".setup").touch()

    refused = node(clone, SETUP, "true")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"The set-up cannot go on: EEXIST: file already exists, mkdir '{clone}/.setup'.\n"


def test_a_step_is_done_again_if_a_package_is_gone_or_when_it_was_interrupted(clone: Path) -> None:
    one_step(clone)
    assert one_step(clone) == ""
    assert log(clone) == ["done"]

    (clone / "it" / "lib" / "package").unlink()
    (clone / "it" / "leftover").touch()

    assert one_step(clone) == "Setting up it … 0 s\n"
    assert not (clone / "it" / "leftover").exists()
    (clone / "it" / ".setup").unlink()
    assert one_step(clone) == "Setting up it … 0 s\n"


def test_what_is_left_of_another_set_up_is_not_waited_for(clone: Path) -> None:
    (clone / ".setup").mkdir()
    lock = clone / ".setup" / "lock"
    lock.write_text(str(os.getpid()))
    an_hour_ago = time.time() - 3600
    os.utime(lock, (an_hour_ago, an_hour_ago))

    assert one_step(clone) == "Setting up it … 0 s\n"
    assert not lock.exists()


def test_two_set_ups_work_one_after_the_other(clone: Path) -> None:
    (clone / ".setup").mkdir()
    lock = clone / ".setup" / "lock"
    lock.touch()
    command = f"sleep 2; rm {lock}"

    with subprocess.Popen(["sh", "-c", command]):
        output = one_step(clone)

    assert output == "Another set-up is at work here; waiting for it …\nSetting up it … 0 s\n"


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
    assert reached.items() >= kept.items()
    hurting = ("PYTHON", "POWERTOOLS_", "LOG_LEVEL", "PIP_")
    ours = {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}
    assert {name: reached[name] for name in hostile.keys() & reached.keys() if name.startswith(hurting)} == {}
    assert reached.items() >= ours.items()
    assert (reached["NO_PROXY"], reached["no_proxy"]) == ("mirror,127.0.0.1", "mirror,127.0.0.1")
    assert reached["INIT_CWD"] == "/"


def test_poetry_uses_the_proxy_and_the_certificates_of_pip(clone: Path) -> None:
    settings = "echo \"global.proxy='http://proxy:1'\"; echo \"global.cert='/company.pem'\""
    executable(clone / ".poetry" / "bin" / "python", f'test "$3" != config || {{ {settings}; }}')
    executable(clone / ".poetry" / "bin" / "poetry", "env; exit 1")
    executable(clone / "bin" / "python3.13", 'test "$1" != -c || echo 3.13')
    without = dict.fromkeys(["HTTPS_PROXY", "HTTP_PROXY", "REQUESTS_CA_BUNDLE"], "")

    node(clone, SETUP, "true", PATH=f"{clone}/bin:/usr/bin:/bin", **without)

    printed = (clone / ".setup" / "log").read_text().splitlines()
    assert {"HTTPS_PROXY=http://proxy:1", "HTTP_PROXY=http://proxy:1", "REQUESTS_CA_BUNDLE=/company.pem"} <= {*printed}


def test_no_setting_of_npm_keeps_its_tools_from_being_installed(clone: Path) -> None:
    for name in (".poetry", ".venv"):
        executable(clone / name / "bin" / "python", "true")
        executable(clone / name / "bin" / "poetry", "true")
    executable(clone / "bin" / "python3.13", 'test "$1" != -c || echo 3.13')
    executable(clone / "tool" / "command", "echo it works")
    tool = {"name": "tool", "version": "1.0.0", "bin": {"tool": "command"}}
    (clone / "tool" / "package.json").write_text(json.dumps(tool))
    engines = {"node": ">=20"}
    needs = {"name": "it", "version": "1.0.0", "engines": engines, "devDependencies": {"tool": "file:tool"}}
    (clone / "package.json").write_text(json.dumps(needs))
    packages = {"": needs, "node_modules/tool": {"resolved": "tool", "link": True}, "tool": {"dev": True, **tool}}
    (clone / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))
    hostile = {"NODE_ENV": "production", "npm_config_bin_links": "false", "npm_config_dry_run": "true"}

    node(clone, SETUP, "true", PATH=f"{clone}/bin:{os.environ['PATH']}", **hostile)

    assert (clone / "node_modules" / ".bin" / "tool").exists()
