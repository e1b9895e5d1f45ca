/** An error as OpenAI's API words it. */
export interface ErrorEnvelope {
  error: { message: string; type: string; param: string | null; code: string | null };
}

/** The envelope for an HTTP status. */
export function errorEnvelope(status: number, message: string, param: string | null = null): ErrorEnvelope {
  const [type, code] = kindOf(status);
  return { error: { message, type, param, code } };
}

function kindOf(status: number): [type: string, code: string | null] {
  if (status === 401) return ['authentication_error', 'invalid_api_key'];
  if (status === 403) return ['permission_error', null];
  if (status === 404) return ['not_found_error', null];
  if (status === 429) return ['rate_limit_error', 'rate_limit_exceeded'];
  return status >= 500 ? ['server_error', null] : ['invalid_request_error', null];
}
