// API Gateway's own error responses: problem details (https://www.rfc-editor.org/rfc/rfc9457), as in shared/problem.py.

const HEADERS = {
  "Content-Type": "application/problem+json",
  "Cache-Control": "no-store",
  "Strict-Transport-Security": "max-age=63072000", // two years, as https://hstspreload.org recommends
  "X-Content-Type-Options": "nosniff",
};

// Transient errors. The order may be stored although the request failed: the answer to the write can be lost.
const RETRY_AFTER_SECONDS = { THROTTLED: 1, QUOTA_EXCEEDED: 3600, INTEGRATION_FAILURE: 2, INTEGRATION_TIMEOUT: 2, DEFAULT_5XX: 2 };
const REPEAT = "Repeat the request with the same Idempotency-Key: it creates no second order.";

const NOTHING_HERE = { title: "Not Found", status: 404, detail: "There is no such path." };
const UNAVAILABLE = { title: "Service Unavailable", status: 503 };
const TIMEOUT = { title: "Gateway Timeout", status: 504 };
const TOO_MANY = { title: "Too Many Requests", status: 429 };

// By the type of the response: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
const PROBLEMS = {
  INVALID_API_KEY: { title: "Forbidden", status: 403, detail: "Send a valid API key in the header x-api-key." },
  MISSING_AUTHENTICATION_TOKEN: NOTHING_HERE, // the path is unknown, or the request is not signed
  RESOURCE_NOT_FOUND: NOTHING_HERE,
  REQUEST_TOO_LARGE: { title: "Content Too Large", status: 413, detail: "The body is longer than any valid order." },
  UNSUPPORTED_MEDIA_TYPE: { title: "Unsupported Media Type", status: 415, detail: "Send application/json." },
  THROTTLED: { ...TOO_MANY, detail: `This API key sends requests too fast. Wait 1 second. ${REPEAT}` },
  QUOTA_EXCEEDED: { ...TOO_MANY, detail: `This API key has used up its requests of the day. Wait until tomorrow. ${REPEAT}` },
  // Lambda's throttling is this one, or DEFAULT_5XX: AWS does not document which.
  INTEGRATION_FAILURE: { ...UNAVAILABLE, detail: `The service is unavailable for the moment. Wait 2 seconds. ${REPEAT}` },
  INTEGRATION_TIMEOUT: { ...TIMEOUT, detail: `The service did not answer in time. Wait 2 seconds. ${REPEAT}` },
  // All others. Each keeps its own status, which the body cannot name ($context.status is empty here).
  DEFAULT_4XX: { detail: "API Gateway rejected the request." },
  DEFAULT_5XX: { detail: `The service failed, or is unavailable for the moment. Wait 2 seconds. ${REPEAT}` },
};

const toResource = ([type, problem]) => {
  const retryAfter = type in RETRY_AFTER_SECONDS && { "Retry-After": RETRY_AFTER_SECONDS[type] };
  const headers = Object.entries({ ...HEADERS, ...retryAfter });
  return {
    Type: "AWS::ApiGateway::GatewayResponse",
    Properties: {
      RestApiId: { Ref: "ApiGatewayRestApi" },
      ResponseType: type,
      ...(problem.status && { StatusCode: String(problem.status) }),
      ResponseParameters: Object.fromEntries(
        headers.map(([name, value]) => [`gatewayresponse.header.${name}`, `'${value}'`]),
      ),
      // API Gateway uses the template of this name for any Accept header.
      ResponseTemplates: { "application/json": JSON.stringify(problem) },
    },
  };
};

module.exports = async ({ resolveVariable }) => {
  const nameOf = ([type]) => `GatewayResponse${type.replaceAll("_", "")}`;
  const responses = Object.entries(PROBLEMS);
  return {
    Resources: Object.fromEntries(responses.map((response) => [nameOf(response), toResource(response)])),
    // A deployment of the API is a snapshot, so it must come after them. osls gives each deployment a new name.
    extensions: {
      [`ApiGatewayDeployment${await resolveVariable("sls:instanceId")}`]: { DependsOn: responses.map(nameOf) },
    },
  };
};
