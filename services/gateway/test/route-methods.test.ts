import { expect, test } from 'vitest';
import { RouteMethods } from '../src/route-methods.ts';

const methods = new RouteMethods();
methods.add('POST', '/v1/responses');
methods.add('GET', '/v1/responses/:id');
methods.add('DELETE', '/v1/responses/:id');
methods.add('GET', '/v1/models/*');
methods.add('POST', '/v1/responses/compact');
methods.add('GET', '/openapi.json');

test.each([
  ['/v1/responses', ['POST']],
  ['/v1/responses/resp_1', ['DELETE', 'GET']],
  ['/v1/responses/compact', ['DELETE', 'GET', 'POST']],
  ['/v1/models/a/b/c', ['GET']],
  ['/v1/models/', []],
  ['/v1/responses/', []],
  ['/v1/responses/a/b', []],
  ['/v2/responses', []],
  ['/openapi.json', ['GET']],
  ['/openapiXjson', []],
])('%s takes %j', (path, expected) => {
  expect(methods.of(path)).toEqual(expected);
});
