// Node loads this before serverless-offline (NODE_OPTIONS), which has no options for it.

const childProcess = require("node:child_process");
const { Server } = require("node:http");
const { syncBuiltinESMExports } = require("node:module");

// It starts each function by a shell, and does not quote the path of the clone.
const { spawn } = childProcess;
childProcess.spawn = (command, args, options) => spawn(command, args, { ...options, shell: false });
syncBuiltinESMExports();

// It lets the pages of all web sites call it. A page is known by the Origin that browsers send; one that has its own domain
// name point to this machine (DNS rebinding), by the Host.
const isLocal = ({ headers }) => !headers.origin && /^(127\.0\.0\.1|localhost)(:\d+)?$/i.test(headers.host ?? "localhost");
const REFUSED = { title: "Forbidden", status: 403, detail: "Only this machine may call, and no web page." };
const { emit } = Server.prototype;
Server.prototype.emit = function (event, request, response, ...rest) {
  if (!/^(request|checkContinue)$/.test(event) || isLocal(request)) {
    return emit.call(this, event, request, response, ...rest);
  }
  response.writeHead(403, { "Content-Type": "application/problem+json" });
  return Boolean(response.end(JSON.stringify(REFUSED)));
};
