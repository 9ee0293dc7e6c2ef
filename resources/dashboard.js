// The way of an order from left to right: what comes in, what waits, what becomes of it, and what went wrong.

const WIDTH = 6; // of 24 columns: four widgets a row
const HEIGHT = 6;

module.exports = async ({ resolveVariable }) => {
  const [service, stage, region] = await Promise.all(
    ["self:service", "sls:stage", "self:provider.region"].map((variable) => resolveVariable(variable)),
  );
  const name = `${service}-${stage}`;
  const functions = Object.keys(await resolveVariable("self:functions"));

  const apiName = `${stage}-${service}`;
  const api = (metric, options) => ["AWS/ApiGateway", metric, "ApiName", apiName, "Stage", stage, options];
  const lambda = (metric, key, options) => ["AWS/Lambda", metric, "FunctionName", `${name}-${key}`, options];
  const own = (metric, options) => [name, metric, "service", service, options]; // shared/observability.py
  const sum = (label) => ({ stat: "Sum", label });
  const maximum = (label) => ({ stat: "Maximum", label });

  const graphs = [
    ["Requests", [api("Count", sum("all")), api("4XXError", sum("4xx")), api("5XXError", sum("5xx"))]],
    ["Orders created", [own("OrdersCreated", sum("orders"))]],
    [
      "Wait in the stream",
      [
        own("StreamLag", maximum("oldest order of a batch, seconds")),
        lambda("IteratorAge", "processPayment", { ...maximum("iterator age, milliseconds"), yAxis: "right" }),
      ],
    ],
    [
      "Payments",
      [
        own("PaymentsProcessed", sum("processed")),
        own("PaymentsDeclined", sum("declined")),
        own("PaymentsFailed", sum("failed, to be retried")),
      ],
    ],
    [
      "Seconds from order to outcome",
      [own("TimeToSettle", { stat: "p50", label: "half" }), own("TimeToSettle", { stat: "p99", label: "99 %" })],
    ],
    [
      "Still pending",
      [
        own("OldestPendingOrder", maximum("age of the oldest, seconds")),
        own("OrdersRecovered", { ...sum("recovered"), yAxis: "right" }),
      ],
    ],
    [
      "Failures",
      [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", `${name}-failures`, maximum("failure queue")],
        own("TracesUndelivered", sum("traces not delivered")),
        ...functions.map((key) => lambda("Errors", key, sum(`${key} errors`))),
        ...functions.map((key) => lambda("Throttles", key, sum(`${key} throttles`))),
      ],
    ],
  ];

  const widgets = graphs.map(([title, metrics], index) => ({
    type: "metric",
    x: (index * WIDTH) % (4 * WIDTH),
    y: Math.floor(index / 4) * HEIGHT,
    width: index === graphs.length - 1 ? 2 * WIDTH : WIDTH,
    height: HEIGHT,
    properties: { title, metrics, region, period: 60, view: "timeSeries" },
  }));

  return {
    Resources: {
      Dashboard: {
        Type: "AWS::CloudWatch::Dashboard",
        Properties: { DashboardName: name, DashboardBody: JSON.stringify({ widgets }) },
      },
    },
  };
};
