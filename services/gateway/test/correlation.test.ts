import { describe, expect, test } from 'vitest';
import { newCorrelation, requestIdOf } from '../src/correlation.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const NEW = /^[0-9a-f]{32}$/;

describe('the id of a request', () => {
  test('is the trace id of its traceparent', () => {
    expect(newCorrelation({ traceparent: `00-${TRACE}-00f067aa0ba902b7-01` })).toBe(TRACE);
    expect(newCorrelation({ traceparent: `cc-${TRACE}-00f067aa0ba902b7-00` })).toBe(TRACE);
  });

  test('is a new one without', () => {
    const [one, two] = [newCorrelation({}), newCorrelation({})];
    expect(one).toMatch(NEW);
    expect(two).toMatch(NEW);
    expect(one).not.toBe(two);
  });

  test.each([
    'nonsense',
    TRACE,
    `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${TRACE}-00f067aa0ba902b7`,
    `00-${TRACE}-00f067aa0ba902b7-01\nx`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
  ])('is a new one where the header is not right: %s', (traceparent) => {
    const id = newCorrelation({ traceparent });
    expect(id).toMatch(NEW);
    expect(id).not.toBe(TRACE);
    expect(id).not.toBe('0'.repeat(32));
  });

  test('is a new one where there are two headers', () => {
    const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
    expect(newCorrelation({ traceparent: [traceparent, traceparent] })).not.toBe(TRACE);
  });
});

describe('the name of a request', () => {
  test('is what the client says, if that is a name', () => {
    expect(requestIdOf({ 'x-request-id': 'req_1.a-B' }, TRACE)).toBe('req_1.a-B');
    expect(requestIdOf({ 'x-request-id': 'x'.repeat(128) }, TRACE)).toBe('x'.repeat(128));
  });

  test.each([undefined, '', 'a b', 'x'.repeat(129), 'a\nb', 'a,b'])('is the trace otherwise: %j', (given) => {
    expect(requestIdOf({ 'x-request-id': given }, TRACE)).toBe(TRACE);
  });
});
