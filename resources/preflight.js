// A plugin of our own. Before anything else, it says in one line what is wrong with --stage, --param or the way to AWS:
// osls takes any stage and parameter and goes on without it, and would first spend its time on packaging.

// The AWS SDK advertises newer versions of Node with every command; the version installed here runs on this one.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

module.exports = class Preflight {
  constructor(serverless, { param: given = [] }) {
    const { params, provider } = serverless.configurationInput;
    const { default: common, ...stages } = params;
    const refuse = (option, expected) => {
      throw new serverless.classes.Error(`--${option}: expected ${expected}.`);
    };

    if (!Object.hasOwn(stages, provider.stage)) refuse(`stage ${provider.stage}`, Object.keys(stages).join(" or "));

    const defaults = { ...common, ...stages[provider.stage] };
    for (const option of given) {
      const [name, value] = option.split(/=(.*)/s);
      if (!Object.hasOwn(defaults, name)) refuse(`param ${option}`, `one of ${Object.keys(defaults).join(", ")}`);
      const type = typeof defaults[name];
      if (type !== "string" && type !== typeof json(value)) refuse(`param ${option}`, `a ${type}`);
    }

    const [command] = serverless.processedInput.commands;
    if (["deploy", "remove"].includes(command)) {
      const signIn = () => serverless.getProvider("aws").getAccountInfo();
      const explain = ({ message }) => {
        throw new serverless.classes.Error(`Cannot sign in to AWS: ${message}`);
      };
      this.hooks = { initialize: () => signIn().catch(explain) };
    }
  }
};

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
