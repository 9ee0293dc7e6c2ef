// Runs the steps of the set-up one after the other: one line each on the terminal, the tools' output in a log.
//
// A step that succeeded writes a stamp into its folder. One that failed or was interrupted has none, and is run again.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const WORK = join(ROOT, ".setup");
const LOG = join(WORK, "log");
const LOCK = join(WORK, "lock");

// Messages of npm, pip, Poetry and Python's HTTP clients when they cannot reach a server.
const UNREACHABLE = new RegExp(
  "ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ConnectionError|ConnectTimeout|" +
    "connection errors|connection broken|timed out|unreachable|Failed to (establish|resolve)|All attempts to connect",
  "i",
);

/** The set-up failed; the message says what to do. */
export class SetupFailed extends Error {}

/** Run the steps that are not done yet. */
export async function doSteps(steps) {
  if (steps.every(isDone)) return;
  mkdirSync(WORK, { recursive: true });
  writeFileSync(join(WORK, ".gitignore"), "*\n");
  await takeLock();
  try {
    for (const step of steps) if (!isDone(step)) await doStep(step);
  } finally {
    rmSync(LOCK, { force: true });
  }
}

const stampOf = ({ folder }) => join(ROOT, folder, ".setup");

/** The digest includes the clone's path: the scripts of a virtual environment contain it. */
function digestOf({ inputs, pins = [] }) {
  const hash = createHash("sha256").update(JSON.stringify([ROOT, pins]));
  for (const input of inputs) hash.update(readFileSync(join(ROOT, input)));
  return hash.digest("hex");
}

function isDone(step) {
  const proofs = [stampOf(step), ...(step.proofs ?? []).map((name) => join(ROOT, step.folder, name))];
  return proofs.every((path) => existsSync(path)) && readFileSync(stampOf(step), "utf8") === digestOf(step);
}

async function doStep(step) {
  const began = performance.now();
  rmSync(stampOf(step), { force: true });
  const commands = step.commands();
  process.stdout.write(`Setting up ${step.title} … `);
  try {
    for (const [command, ...args] of commands) await run(command, args, step);
  } catch (failure) {
    process.stdout.write("\n");
    throw failure;
  }
  writeFileSync(stampOf(step), digestOf(step));
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
      const isUnreachable = UNREACHABLE.test(readFileSync(LOG, "utf8"));
      const advice = isUnreachable
        ? "its server cannot be reached. Check the network, or the proxy and mirror settings of npm and pip"
        : `${LOG} says why. Correct that`;
      reject(new SetupFailed(`Could not set up ${title}: ${advice}, then run the same command again.`));
    };
    tool.on("error", () => end(127));
    tool.on("exit", end);
  });
}

/** Wait for another set-up in this clone. A lock whose process has ended is removed. */
async function takeLock() {
  for (let isWaiting = false; ; await sleep(300)) {
    try {
      return writeFileSync(LOCK, String(process.pid), { flag: "wx" });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const owner = Number(existsSync(LOCK) ? readFileSync(LOCK, "utf8") : 0);
    if (owner && !isAlive(owner)) rmSync(LOCK, { force: true });
    else if (!isWaiting) {
      console.log(`Another set-up (process ${owner}) is at work here; waiting for it …`);
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
