// A plugin of our own: takes out of the template what serverless-iam-roles-per-function leaves in.
module.exports = class LeastPrivilege {
  constructor(serverless) {
    this.hooks = {
      // After that plugin's hook of the same name, if serverless.yml lists it before this one.
      "before:package:finalize": () => {
        const { Resources } = serverless.service.provider.compiledCloudFormationTemplate;
        // The role that all functions would share, which no function has any more.
        delete Resources.IamRoleLambdaExecution;
        // The stack makes the log groups. A late log line would otherwise create a group again, which `sls remove` does not delete.
        for (const { Type, Properties } of Object.values(Resources)) {
          if (Type !== "AWS::IAM::Role") continue;
          for (const statement of Properties.Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement)) {
            statement.Action = [statement.Action].flat().filter((action) => action !== "logs:CreateLogGroup");
          }
        }
      },
    };
  }
};
