// Two alarms for each function of serverless.yml, so that a new function has them without a line here.

const ALARMS = [
  {
    metric: "Errors",
    describe: (name) =>
      `${name} crashed or ran out of time. Nothing is lost: clients are told to try again, the stream and the ` +
      "schedule do. The function's log says why.",
  },
  {
    metric: "Throttles",
    describe: (name) =>
      `Lambda refused to start ${name}: the account runs as many functions at once as it may. Ask AWS for a higher ` +
      "limit, or lower the load.",
  },
];

module.exports = async ({ resolveVariable }) => {
  const service = `${await resolveVariable("self:service")}-${await resolveVariable("sls:stage")}`;
  const functions = Object.keys(await resolveVariable("self:functions"));

  const toResource = (name, { metric, describe }) => ({
    Type: "AWS::CloudWatch::Alarm",
    Properties: {
      AlarmName: `${service}-${name}-${metric.toLowerCase()}`,
      AlarmDescription: describe(name),
      AlarmActions: [{ Ref: "AlertTopic" }],
      Namespace: "AWS/Lambda",
      MetricName: metric,
      Dimensions: [{ Name: "FunctionName", Value: { Ref: `${capitalized(name)}LambdaFunction` } }],
      Statistic: "Sum",
      Period: 60,
      EvaluationPeriods: 1,
      ComparisonOperator: "GreaterThanThreshold",
      Threshold: 0, // a fault that a function foresees is no error of Lambda's, so each is worth a look
      TreatMissingData: "notBreaching", // a function that is not called cannot fail
    },
  });

  const alarms = functions.flatMap((name) => ALARMS.map((alarm) => ({ name, alarm })));
  return {
    Resources: Object.fromEntries(
      alarms.map(({ name, alarm }) => [`${capitalized(name)}${alarm.metric}Alarm`, toResource(name, alarm)]),
    ),
  };
};

const capitalized = (name) => name[0].toUpperCase() + name.slice(1);
