// A plugin of our own: puts bytecode into the package, once serverless-python-requirements has put the libraries there.
const { spawnSync } = require("node:child_process");

module.exports = class Bytecode {
  constructor(serverless) {
    this.hooks = {
      "after:package:createDeploymentArtifacts": () => {
        const { service } = serverless;
        // The runtime's name is its Python's, and bytecode is good for one minor version of Python alone.
        const command = [service.provider.runtime, ["-m", "tools.bytecode", service.package.artifact]];
        const { error, stderr, status } = spawnSync(...command, { cwd: serverless.serviceDir, encoding: "utf8" });
        if (status !== 0) throw new serverless.classes.Error(`No bytecode for the package: ${error ?? stderr}`);
      },
    };
  }
};
