// A plugin of our own. osls accepts any --stage and --param and signs in to AWS only after packaging. This checks all three
// first, and tells in one line what is wrong.

// The AWS SDK warns with every command that newer versions will need a newer Node; the one installed here does not.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

const NO_ADDRESS =
  "None: no mails of alarms, and no budget alarm. Put ALERT_EMAIL=you@example.com into .env and deploy again.";

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

    const signIn = async () => {
      try {
        await serverless.getProvider("aws").getAccountInfo();
      } catch ({ message }) {
        throw new serverless.classes.Error(`Cannot sign in to AWS: ${message}`);
      }
    };
    const showMissingAddress = () => {
      const { AlertEmail } = serverless.service.provider.compiledCloudFormationTemplate.Parameters;
      if (!AlertEmail.Default) serverless.addServiceOutputSection("alerts", NO_ADDRESS);
    };
    const [command] = serverless.processedInput.commands;
    if (["deploy", "remove", "invoke"].includes(command)) this.hooks = { initialize: signIn };
    if (command === "deploy") this.hooks["after:deploy:deploy"] = showMissingAddress;
  }
};

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
