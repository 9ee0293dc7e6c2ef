// What API Gateway answers by itself: problem details (RFC 9457), like the functions' own errors (shared/problem.py).

const HEADERS = {
  "Content-Type": "application/problem+json",
  "Cache-Control": "no-store",
  "Strict-Transport-Security": "max-age=63072000", // two years, as hstspreload.org recommends
  "X-Content-Type-Options": "nosniff",
};

const NOTHING_HERE = { title: "Not Found", status: 404, detail: "Nothing is here." };
const NO_ANSWER = { title: "Gateway Timeout", status: 504, detail: "The service did not answer in time; try again." };
const TOO_MANY = { title: "Too Many Requests", status: 429 };

// By the type of the response ("Gateway response types for API Gateway", Amazon API Gateway Developer Guide).
const PROBLEMS = {
  INVALID_API_KEY: { title: "Forbidden", status: 403, detail: "Send a valid API key in the header x-api-key." },
  MISSING_AUTHENTICATION_TOKEN: NOTHING_HERE, // so it calls a path that it does not know
  RESOURCE_NOT_FOUND: NOTHING_HERE,
  REQUEST_TOO_LARGE: { title: "Content Too Large", status: 413, detail: "The body is longer than any valid order." },
  UNSUPPORTED_MEDIA_TYPE: { title: "Unsupported Media Type", status: 415, detail: "Send application/json." },
  THROTTLED: { ...TOO_MANY, detail: "Requests come faster than this API key allows; slow down." },
  QUOTA_EXCEEDED: { ...TOO_MANY, detail: "This API key has made all its requests of the day." },
  INTEGRATION_FAILURE: NO_ANSWER,
  INTEGRATION_TIMEOUT: NO_ANSWER,
  // All others. Each keeps its own status, which the body cannot name ($context.status is empty here).
  DEFAULT_4XX: { detail: "API Gateway refuses the request as it is." },
  DEFAULT_5XX: { detail: "The service failed; try again." },
};

const RETRY_AFTER_SECONDS = { THROTTLED: 1, QUOTA_EXCEEDED: 3600, INTEGRATION_FAILURE: 2, INTEGRATION_TIMEOUT: 2 };

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
      // API Gateway takes the template of this name, whatever the client accepts.
      ResponseTemplates: { "application/json": JSON.stringify(problem) },
    },
  };
};

module.exports = async ({ resolveVariable }) => {
  const nameOf = ([type]) => `GatewayResponse${type.replaceAll("_", "")}`;
  const responses = Object.entries(PROBLEMS);
  return {
    Resources: Object.fromEntries(responses.map((response) => [nameOf(response), toResource(response)])),
    // A deployment of the API is a snapshot, so it has to come after them; osls names each anew.
    extensions: {
      [`ApiGatewayDeployment${await resolveVariable("sls:instanceId")}`]: { DependsOn: responses.map(nameOf) },
    },
  };
};
