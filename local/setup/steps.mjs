// Runs the steps of the set-up one after the other: one line each on the terminal, the tools' output in a log.
//
// A step that succeeded writes a stamp into its folder, with the names of what it installed. A step that failed or was
// interrupted has no stamp, and is run again. So is a step if something that it installed is gone.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const WORK = join(ROOT, ".setup");
const LOG = join(WORK, "log");
const LOCK = join(WORK, "lock");
const BEAT_MS = 1000;
const STALE_MS = 10_000;

// What npm, pip, Poetry and Python's HTTP clients write into the log, and what to say then.
const CAUSES = [
  [
    /certificate verify failed|SELF_SIGNED_CERT|self-signed certificate|UNABLE_TO_\w+_(ISSUER|SIGNATURE)/i,
    () =>
      "its server's certificate is not trusted. Set REQUESTS_CA_BUNDLE and NODE_EXTRA_CA_CERTS to the file (PEM) with " +
      "your company's certificates",
  ],
  [
    /code (EACCES|EPERM|EROFS|ENOSPC)\n[^]*?path (.*)|(Permission denied|Read-only file system|No space left on device)(.*)/,
    ([, code, path, reason, where]) => `${code ? `${code}: ${path}` : reason + where}. Correct that`,
  ],
  [
    new RegExp(
      "\\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH)\\b|Connection\\w*Error|" +
        "ConnectTimeout|ProxyError|[Cc]onnection (errors|broken)|timed out|[Uu]nreachable|Failed to (establish|resolve)|" +
        "All attempts to connect",
    ),
    () => "its server cannot be reached. Check the network, or the proxy and mirror settings of npm and pip",
  ],
  [/^/, () => `${LOG} says why. Correct that`],
];

/** The set-up failed; the message says what to do. */
export class SetupFailed extends Error {}

/** Run the steps that are not done yet. */
export async function doSteps(steps) {
  if (steps.every(isDone)) return;
  mkdirSync(WORK, { recursive: true });
  writeFileSync(join(WORK, ".gitignore"), "*\n");
  const beat = await takeLock();
  try {
    for (const step of steps) if (!isDone(step)) await doStep(step);
  } finally {
    clearInterval(beat);
    rmSync(LOCK, { force: true });
  }
}

const stampPath = ({ folder }) => join(ROOT, folder, ".setup");

/** What a step left when it succeeded: the digest of its inputs, then the names of what it installed. */
const stampOf = (step) => (existsSync(stampPath(step)) ? readFileSync(stampPath(step), "utf8").split("\n") : []);

/** The digest includes the clone's path: the scripts of a virtual environment contain it. */
function digestOf({ inputs, pins = [] }) {
  const hash = createHash("sha256").update(JSON.stringify([ROOT, pins]));
  for (const input of inputs) hash.update(readFileSync(join(ROOT, input)));
  return hash.digest("hex");
}

/** The names of what is installed. A newer version of a package has another `.dist-info`, and is the developer's choice. */
function installedBy({ folder, packages = "." }) {
  const path = join(ROOT, folder, packages);
  return existsSync(path) ? readdirSync(path).filter((name) => !/^__pycache__$|\.dist-info$/.test(name)) : [];
}

function isDone(step) {
  const [digest, ...expected] = stampOf(step);
  if (digest !== digestOf(step)) return false;
  const installed = new Set(installedBy(step));
  const proofs = (step.proofs ?? []).map((name) => join(ROOT, step.folder, name));
  return expected.every((name) => installed.has(name)) && proofs.every((path) => existsSync(path));
}

async function doStep(step) {
  const began = performance.now();
  // If something is gone from what was installed, the tools would not notice: they read their own lists.
  const isBroken = stampOf(step)[0] === digestOf(step);
  rmSync(isBroken ? join(ROOT, step.folder) : stampPath(step), { recursive: true, force: true });
  const commands = step.commands();
  process.stdout.write(`Setting up ${step.title} … `);
  try {
    for (const [command, ...args] of commands) await run(command, args, step);
  } catch (failure) {
    process.stdout.write("\n");
    throw failure;
  }
  writeFileSync(stampPath(step), [digestOf(step), ...installedBy(step)].join("\n"));
  process.stdout.write(`${Math.round((performance.now() - began) / 1000)} s\n`);
}

/** Run a tool with its output in the log. An interruption is passed on to it, and ends the set-up. */
function run(command, args, { title, env }) {
  const log = openSync(LOG, "w");
  return new Promise((resolve, reject) => {
    const tool = spawn(command, args, { cwd: ROOT, env: env(), stdio: ["ignore", log, log] });
    let interruption;
    const interrupt = (signal) => tool.kill((interruption = signal));
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, interrupt);
    const end = (code) => {
      closeSync(log);
      for (const signal of signals) process.off(signal, interrupt);
      if (code === 0) return resolve();
      if (interruption) return reject(new SetupFailed("Interrupted; the next run goes on from here."));
      const text = readFileSync(LOG, "utf8");
      const [pattern, advice] = CAUSES.find(([cause]) => cause.test(text));
      reject(new SetupFailed(`Could not set up ${title}: ${advice(text.match(pattern))}, then run the same command again.`));
    };
    tool.on("error", () => end(127));
    tool.on("exit", end);
  });
}

/**
 * Wait for another set-up in this clone, which touches its lock while it works. Any other lock is removed: a process number
 * would prove nothing after a restart or in another container.
 */
async function takeLock() {
  const touch = (flag) => writeFileSync(LOCK, String(process.pid), { flag });
  for (let isWaiting = false; ; await sleep(300)) {
    try {
      touch("wx");
      return setInterval(touch, BEAT_MS, "w");
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const touched = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs;
    if (Math.abs(Date.now() - touched) > STALE_MS) rmSync(LOCK, { force: true });
    else if (!isWaiting) {
      console.log("Another set-up is at work here; waiting for it …");
      isWaiting = true;
    }
  }
}

/** Whether a process with this number exists. */
export function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}
