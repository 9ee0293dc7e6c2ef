// A plugin of our own, which has to be the first: what is meant for this machine never reaches AWS, whatever credentials and
// endpoints the shell has. `sls offline` starts the local run (`npm start`); `sls invoke local` and `sls dynamodb` use it.

const { spawn } = require("node:child_process");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const RUN = join(__dirname, "..", "local", "setup", "run.mjs");

module.exports = class LocalOnly {
  constructor(serverless) {
    this.serverless = serverless;
  }

  // osls waits for this before it checks the options and runs the first hook of any plugin.
  async asyncInit() {
    const { commands, isHelpRequest, options } = this.serverless.processedInput;
    // The local run itself starts serverless-offline, and its environment has no way to AWS (local/environment.py).
    if (isHelpRequest || process.env.LOCAL_RUN === String(process.ppid)) return;
    const [command, subcommand] = commands;
    if (command === "offline") await start(process.argv.slice(2 + commands.length));
    if (command === "invoke" && subcommand === "local") await this.#invoke(options);
    if (command === "dynamodb") await this.#showDynamoDB(options);
  }

  async #invoke({ function: key, data, path, ...options }) {
    const { custom, functions, service } = this.serverless.service;
    const keys = Object.keys(functions);
    if (!keys.includes(key)) fail(`--function: expected ${keys.join(" or ")}.`);
    const isTyped = data === undefined && !path && process.stdin.isTTY;
    const event = isTyped ? "" : (data ?? readFileSync(path ?? 0, "utf8"));
    const port = options["lambda-port"] ?? custom["serverless-offline"].lambdaPort;
    const answer = await this.#ask(port, `/2015-03-31/functions/${service}-dev-${key}/invocations`, event.trim() || "{}");
    const result = await answer.json();
    console.log(JSON.stringify(result, null, 2));
    process.exit(!answer.ok || "errorType" in result ? 1 : 0);
  }

  async #showDynamoDB(options) {
    const port = options["dynamodb-port"] ?? this.serverless.service.custom["serverless-dynamodb"].start.port;
    await this.#ask(port, "/", "");
    console.log(`The local run has DynamoDB Local on port ${port}, with its tables.`);
    process.exit();
  }

  async #ask(port, path, body) {
    try {
      return await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body });
    } catch ({ cause, message }) {
      const isAbsent = cause?.code === "ECONNREFUSED";
      return fail(isAbsent ? `No local run answers on port ${port}: start it with \`npm start\`.` : message);
    }
  }
};

function fail(message) {
  console.error(message);
  process.exit(1);
}

// Ctrl-C reaches the local run from the terminal; we only wait for it.
function start(options) {
  const run = spawn(process.execPath, [RUN, "python", "-m", "local.start", ...options], { stdio: "inherit" });
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => run.kill(signal));
  return new Promise(() => run.on("exit", (code) => process.exit(code ?? 1)));
}
