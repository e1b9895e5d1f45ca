import { describe, expect, test } from 'vitest';
import { ApiError, ERRORS, type ErrorCode, errorInfo, toEnvelope } from '../src/index.ts';

const codes = Object.keys(ERRORS) as ErrorCode[];
const everyDetail = (code: ErrorCode) =>
  Object.fromEntries([...ERRORS[code].message.matchAll(/\{(\w+)\}/g)].map((match) => [match[1] ?? '', '…']));

describe('the catalogue of errors', () => {
  test.each(codes)('%s has a status, a type and a message', (code) => {
    const { status, type, message } = ERRORS[code];
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(type).toMatch(/^((invalid_request|authentication|not_found|server|model|tool)_error|too_many_requests)$/);
    expect(message).toMatch(/^([A-Z']|\{path\}).*[^ ]$/s);
    expect(errorInfo(code, everyDetail(code)).message).not.toMatch(/[{}]/);
  });

  test('no permanent refusal has a status that the SDKs retry', () => {
    const retried = codes.filter((code) => [408, 409, 429].includes(ERRORS[code].status));
    expect(retried).toEqual(['rate_limit_exceeded']);
    const refusals = codes.filter((code) => ERRORS[code].type === 'invalid_request_error');
    expect(refusals.filter((code) => ERRORS[code].status >= 500)).toEqual([]);
  });

  test('a server error is a 5xx', () => {
    const faults = codes.filter((code) => ['server_error', 'model_error'].includes(ERRORS[code].type));
    expect(faults.filter((code) => ERRORS[code].status < 500)).toEqual([]);
  });
});

describe('errorInfo', () => {
  test('fills the template, and takes what it fills in as it is', () => {
    expect(errorInfo('invalid_value', { param: 'input', reason: 'it has {param} and $& in it' })).toEqual({
      code: 'invalid_value',
      message: "Invalid value for 'input': it has {param} and $& in it.",
    });
    expect(errorInfo('upstream_timeout', { ms: 0 }).message).toBe('The model server did not answer within 0 ms.');
  });
});

describe('ApiError', () => {
  test('knows what is answered, and why', () => {
    const cause = new Error('the reason');
    const error = new ApiError('missing_required_parameter', { param: 'model' }, { param: 'model', cause });
    expect(error).toMatchObject({ status: 400, param: 'model', retryAfter: null, cause, name: 'ApiError' });
    expect(error.info).toEqual({
      code: 'missing_required_parameter',
      message: "Missing required parameter: 'model'.",
    });
  });

  test.each(codes)('%s has the envelope of the API', (code) => {
    expect(toEnvelope(new ApiError(code, everyDetail(code)))).toStrictEqual({
      error: {
        type: ERRORS[code].type,
        code,
        message: errorInfo(code, everyDetail(code)).message,
        param: null,
      },
    });
  });

  test('the envelope names the parameter', () => {
    const error = new ApiError('unknown_parameter', { param: 'x.y' }, { param: 'x.y' });
    expect(toEnvelope(error).error).toMatchObject({ param: 'x.y', message: "Unknown parameter: 'x.y'." });
  });

  test('what may work in a moment says when', () => {
    expect(new ApiError('overloaded').retryAfter).toBe(1);
    expect(new ApiError('rate_limit_exceeded', { limit: 5, seconds: 3 }).retryAfter).toBe(1);
    expect(new ApiError('unavailable', { reason: 'r' }, { retryAfter: 7 }).retryAfter).toBe(7);
    expect(new ApiError('internal_error').retryAfter).toBeNull();
  });
});
