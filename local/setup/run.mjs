// `node local/setup/run.mjs COMMAND ARGUMENT…` installs what is missing in a clone, then runs the command.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants, homedir } from "node:os";
import { delimiter, join } from "node:path";
import { doSteps, isAlive, ROOT, SetupFailed } from "./steps.mjs";

const PYTHON = "3.13";
const POETRY = [
  "poetry==2.5.1",
  "poetry-plugin-export==1.10.1", // serverless-python-requirements packages what it exports
  "poetry-plugin-pypi-mirror==0.6.5", // makes Poetry use pip's index, which may be a company's mirror
];
const PYPI = "https://pypi.org/simple/"; // pip's default
const PACKAGES = join("lib", `python${PYTHON}`, "site-packages");
const POETRY_SETTINGS = {
  POETRY_VIRTUALENVS_CREATE: "true",
  POETRY_VIRTUALENVS_IN_PROJECT: "true",
  PYTHON_KEYRING_BACKEND: "keyring.backends.null.Keyring", // so that it never asks for a password
};
const NPM_OPTIONS = [
  "--include=dev", // what NODE_ENV=production leaves out; the other options also overrule the caller's settings
  ...["--bin-links", "--package-lock", "--no-dry-run", "--no-global", "--install-strategy=hoisted", "--loglevel=notice"],
  ...["--no-audit", "--no-fund", "--fetch-retry-mintimeout=1000"],
];
const PARENT_CHECK_MS = 500;
const inRoot = (...names) => join(ROOT, ...names);

// Variables of the caller's shell that would change how Python or Powertools works, which environment is used, or what pip
// installs and where. Of pip's only those stay that say how it reaches an index, and where its cache is.
const NOT_OURS = new RegExp(
  "^(PYTHON(?!_KEYRING_BACKEND$|BREAKPOINT$)|POWERTOOLS_|LOG_LEVEL$|CONDA_PREFIX$|" +
    "PIP_(?!.*(INDEX|FIND_LINKS|CERT|PROXY|TRUSTED|KEYRING|CACHE|CONFIG|TIMEOUT|RETRIES)))",
);
const inherited = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_OURS.test(name))),
  PYTHONNOUSERSITE: "1",
  // The clone's path, and all that is printed, is in UTF-8. Poetry starts Pythons that ignore PYTHONUTF8.
  LC_ALL: "C.UTF-8",
  PYTHONUTF8: "1",
};
const notByProxy = noProxy();
const bins = [inRoot(".venv", "bin"), inRoot("node_modules", ".bin"), inRoot(".poetry", "bin")];
const env = {
  ...inherited,
  PATH: [...bins, process.env.PATH].join(delimiter),
  VIRTUAL_ENV: inRoot(".venv"),
  // uv, which tests install tools with, has a name of its own for the index.
  ...(process.env.PIP_INDEX_URL && { UV_DEFAULT_INDEX: process.env.PIP_INDEX_URL }),
  NO_PROXY: notByProxy,
  no_proxy: notByProxy,
  INIT_CWD: process.env.INIT_CWD ?? process.cwd(), // npm's name for the folder of the caller
};

const steps = [
  {
    title: "Poetry",
    folder: ".poetry",
    inputs: [],
    pins: POETRY,
    packages: PACKAGES,
    proofs: ["bin/python"],
    commands: () => [
      [findPython(), "-m", "venv", "--clear", ".poetry"],
      [".poetry/bin/python", "-m", "pip", "install", "--retries=2", ...POETRY],
    ],
    env: () => inherited,
  },
  {
    title: "the Python packages",
    folder: ".venv",
    inputs: ["poetry.lock"],
    packages: PACKAGES,
    proofs: ["bin/python"],
    commands: () => [
      ...(isVenvOurs() ? [] : [[findPython(), "-m", "venv", "--clear", ".venv"]]),
      [".poetry/bin/poetry", "sync", "--no-interaction", "--no-ansi"],
    ],
    env: () => ({ ...env, ...settingsOfPip(), ...POETRY_SETTINGS }),
  },
  {
    title: "the Node packages",
    folder: "node_modules",
    inputs: ["package-lock.json"],
    commands: () => [["npm", "ci", ...NPM_OPTIONS]],
    env: () => inherited,
  },
  {
    title: "DynamoDB Local",
    folder: ".dynamodb",
    inputs: ["local/setup/dynamodb.lock"],
    commands: () => [[".venv/bin/python", "-m", "local.setup.dynamodb_jars"]],
    env: () => ({ ...env, ...settingsOfPip() }),
  },
];

function outputOf(command, ...args) {
  return spawnSync(command, args, { cwd: ROOT, env: inherited, encoding: "utf8" }).stdout ?? "";
}

/** Accept what package.json's `engines` accepts: `^20.19.0` is this minor version or a later one, `>=24` any from 24 on. */
function checkNode() {
  const { engines } = JSON.parse(readFileSync(inRoot("package.json"), "utf8"));
  const [major, minor] = process.versions.node.split(".").map(Number);
  const ranges = engines.node.split(" || ").map((range) => [range[0], ...range.match(/\d+/g).map(Number)]);
  if (ranges.some(([sign, from, least = 0]) => (sign === ">" ? major >= from : major === from && minor >= least))) return;
  throw new SetupFailed(
    `Node ${engines.node} is needed, this is ${process.versions.node}: install one (nodejs.org, Homebrew or nvm).`,
  );
}

function findPython() {
  const ask = (name) => outputOf(name, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").trim();
  const names = [`python${PYTHON}`, "python3", "python"];
  const found = [...names, ...pythonsBesideThePath()].find((name) => ask(name) === PYTHON);
  if (found) return found;
  const others = [...new Set(names.map(ask).filter(Boolean))].join(" and ");
  throw new SetupFailed(
    `Python ${PYTHON} is needed, ${others ? `there is only ${others}` : "there is none"}: install it, for example with ` +
      `\`uv python install ${PYTHON}\`, \`pyenv install ${PYTHON}\` or \`brew install python@${PYTHON}\`.`,
  );
}

/** Where uv, pyenv and Homebrew put Python. */
function pythonsBesideThePath() {
  const { HOMEBREW_PREFIX, PYENV_ROOT, UV_PYTHON_INSTALL_DIR, XDG_DATA_HOME } = process.env;
  const data = XDG_DATA_HOME || join(homedir(), ".local", "share");
  const folders = [UV_PYTHON_INSTALL_DIR || join(data, "uv", "python"), join(PYENV_ROOT || join(homedir(), ".pyenv"), "versions")];
  const isRight = (name) => /^(cpython-)?3\.13(\.\d+)?(-|$)/.test(name); // not the free-threaded ones
  const versions = folders.filter(existsSync).flatMap((folder) =>
    readdirSync(folder).filter(isRight).map((name) => join(folder, name)),
  );
  const brews = HOMEBREW_PREFIX ? [HOMEBREW_PREFIX] : ["/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew"];
  const kegs = brews.map((prefix) => join(prefix, "opt", `python@${PYTHON}`));
  return [...versions, ...kegs].map((folder) => join(folder, "bin", `python${PYTHON}`));
}

/** Whether .venv was made at this path for the right Python: its scripts contain the path. */
function isVenvOurs() {
  const [python, notes] = [inRoot(".venv", "bin", "python"), inRoot(".venv", "pyvenv.cfg")];
  if (!existsSync(python) || !existsSync(notes)) return false;
  const text = readFileSync(notes, "utf8");
  return text.includes(inRoot(".venv")) && text.includes(`version = ${PYTHON}.`);
}

/** What Poetry and Maven's client need to use pip's index, proxy and certificates. */
function settingsOfPip() {
  const python = inRoot(".poetry", "bin", "python");
  const ofPip = outputOf(python, "-m", "pip", "config", "list");
  const setting = (name) => ofPip.match(new RegExp(`^(?::env:|global|user|site)\\.${name}='(.+)'$`, "m"))?.[1];
  const index = setting("index-url") ?? PYPI;
  return {
    POETRY_PYPI_MIRROR_URL: index.replace(/\/*$/, "/"),
    ...(setting("cert") && { REQUESTS_CA_BUNDLE: setting("cert") }),
    ...(setting("proxy") && { HTTP_PROXY: setting("proxy"), HTTPS_PROXY: setting("proxy") }),
  };
}

/** The caller's NO_PROXY with the local run, which no proxy reaches. */
function noProxy() {
  const callers = inherited.no_proxy || inherited.NO_PROXY;
  return callers === "*" ? callers : [callers, "127.0.0.1"].filter(Boolean).join(",");
}

/** The processes that started us: the caller, or npm and its shell. We end when one of them ends or is killed. */
function findParents() {
  const [parent, command] = outputOf("ps", "-o", "ppid=,comm=", "-p", String(process.ppid)).trim().split(/\s+/);
  const isNpmAbove = process.env.npm_lifecycle_event && /\bsh$/.test(command);
  return isNpmAbove ? [process.ppid, Number(parent)] : [process.ppid];
}

/** Run the command and exit with its code. Ctrl-C reaches it from the terminal; we only wait for it. */
function runCommand(command, args) {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: "inherit" });
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  const parents = findParents();
  setInterval(() => parents.every(isAlive) || child.kill("SIGTERM"), PARENT_CHECK_MS).unref();
  child.on("error", () => fail(`\`${command}\` cannot be run.`, 127));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

function fail(message, code = 1) {
  console.error(message);
  process.exit(code);
}

const [command, ...args] = process.argv.slice(2);
try {
  if (!command) throw new SetupFailed("Usage: node local/setup/run.mjs COMMAND ARGUMENT…");
  checkNode();
  if (ROOT.includes(delimiter)) throw new SetupFailed(`No folder on the clone's path may have a "${delimiter}" in its name.`);
  await doSteps(steps);
  runCommand(command, args);
} catch (failure) {
  if (failure.syscall) fail(`The set-up cannot go on: ${failure.message}.`);
  if (!(failure instanceof SetupFailed)) throw failure;
  fail(failure.message);
}
