import { Client } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { gatewayApp, JSON_HEADERS } from './gateway-app.ts';

const { app } = gatewayApp();
afterEach(() => app.close());

test('a body that is no JSON costs its client no connection; one that is too large does', async () => {
  const client = new Client(await app.listen({ host: '127.0.0.1', port: 0 }));
  let connections = 0;
  app.server.on('connection', () => {
    connections += 1;
  });
  const send = async (body: string) => {
    const {
      statusCode,
      headers,
      body: answer,
    } = await client.request({
      method: 'POST',
      path: '/v1/responses',
      headers: JSON_HEADERS,
      body,
    });
    await answer.dump();
    return { status: statusCode, ends: headers.connection === 'close' };
  };
  for (const body of ['', '{', '[1', '{"a":1,"a":1}', '{"input":"x"}']) {
    expect(await send(body)).toEqual({ status: 400, ends: false });
  }
  expect(connections).toBe(1);
  expect(await send('x'.repeat(10_001))).toEqual({ status: 413, ends: true });
  await client.close();
});
