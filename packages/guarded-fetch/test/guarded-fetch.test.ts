import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GuardedFetch, GuardedFetchError, type GuardedFetchOptions } from '../src/index.ts';

const never = new AbortController().signal;
const LOOPBACK = [{ address: '127.0.0.1', family: 4 }];

let server: Server;
let origin: string;
let routes: Record<string, RequestListener>;
const opened: GuardedFetch[] = [];

beforeEach(async () => {
  routes = {};
  server = createServer((request, response) => {
    const route = routes[request.url ?? ''];
    if (route) route(request, response);
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function guard(options: Partial<GuardedFetchOptions> = {}): GuardedFetch {
  const bounds = { allow: ['127.0.0.0/8'], connectMs: 5000, totalMs: 20_000, maxBytes: 100_000, maxRedirects: 3 };
  const guarded = new GuardedFetch({ ...bounds, ...options });
  opened.push(guarded);
  return guarded;
}

async function refusal(answer: Promise<unknown>): Promise<GuardedFetchError> {
  const error = await answer.then(
    () => new Error('it was answered'),
    (reason: unknown) => reason,
  );
  if (error instanceof GuardedFetchError) return error;
  throw error;
}

const redirect =
  (to: string, status = 302) =>
  (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, { location: to }).end('elsewhere');
  };

/** The named port of the server that is under test. */
const named = (host: string) => origin.replace('127.0.0.1', host);

describe('what is allowed', () => {
  test('is fetched: status, headers, bytes and address', async () => {
    routes['/file?a=1'] = (_, response) => {
      response.writeHead(201, [
        ['Content-Type', 'text/plain'],
        ['X-Twice', 'a'],
        ['X-Twice', 'b'],
      ]);
      response.end(Buffer.from([0, 255, 1]));
    };
    const answer = await guard().get(`${origin}/file?a=1`, never);
    expect(answer).toMatchObject({ status: 201, url: `${origin}/file?a=1` });
    expect(answer.headers).toMatchObject({ 'content-type': 'text/plain', 'x-twice': 'a, b' });
    expect([...answer.bytes]).toEqual([0, 255, 1]);
  });

  test('an answer is one whatever its status, also without a body', async () => {
    const answer = await guard().get(`${origin}/nothing`, never);
    expect({ status: answer.status, size: answer.bytes.byteLength }).toEqual({ status: 404, size: 0 });
  });

  test('is reached by name where the operator allows the name', async () => {
    routes['/'] = (request, response) => response.end(request.headers.host);
    const guarded = guard({ allow: ['files.internal'], lookup: () => Promise.resolve(LOOPBACK) });
    const answer = await guarded.get(`${named('FILES.internal')}/`, never);
    expect(Buffer.from(answer.bytes).toString()).toBe(named('files.internal').slice('http://'.length));
    expect((await refusal(guarded.get(`${named('other.internal')}/`, never))).code).toBe('forbidden_address');
    expect((await refusal(guarded.get(`${origin}/`, never))).code).toBe('forbidden_address');
  });

  test('keeps no connection open', async () => {
    routes['/'] = (_, response) => response.end('ok');
    const closed = once(server, 'connection').then(([socket]) => once(socket, 'close'));
    await guard().get(`${origin}/`, never);
    await closed;
  });

  test('a body is delivered, and a redirect of it is not followed', async () => {
    const bodies: string[] = [];
    routes['/hook'] = async (request, response) => {
      bodies.push(`${request.method} ${request.headers['webhook-id']} ${await text(request)}`);
      response.writeHead(307, { location: '/elsewhere' }).end();
    };
    routes['/elsewhere'] = (_, response) => response.end(bodies.push('followed'));
    const answer = await guard().post(`${origin}/hook`, { headers: { 'webhook-id': '1' }, body: '{"a":1}' }, never);
    expect({ status: answer.status, bodies }).toEqual({ status: 307, bodies: ['POST 1 {"a":1}'] });
    expect((await refusal(guard({ allow: [] }).post(`${origin}/hook`, { headers: {}, body: '' }, never))).code).toBe(
      'forbidden_address',
    );
    expect(bodies).toHaveLength(1);
  });

  test('a header that cannot be sent is the mistake of the caller', async () => {
    const sent = guard().post(origin, { headers: { 'a b': 'c' }, body: '' }, never);
    await expect(sent).rejects.not.toBeInstanceOf(GuardedFetchError);
  });
});

describe('an answer that stays open', () => {
  const open = (url: string, body: string | null = null, guarded = guard()) =>
    guarded.open(url, { method: body === null ? 'GET' : 'POST', headers: { 'x-own': '1' }, body }, never);

  test('is handed over with its head, whatever its status; the body comes as it is sent', async () => {
    let goOn: () => void = () => undefined;
    routes['/'] = async (request, response) => {
      const asked = await text(request);
      response.writeHead(404, [
        ['X-Twice', 'a'],
        ['X-Twice', 'b'],
      ]);
      response.write(`${request.method} ${request.headers['x-own']} ${asked}`);
      goOn = () => response.end('!');
    };
    const answer = await open(`${origin}/`, 'hi');
    expect({ status: answer.status, twice: answer.headers['x-twice'] }).toEqual({ status: 404, twice: 'a, b' });
    goOn();
    expect(await text(answer.body)).toBe('POST 1 hi!');
  });

  test('may be longer than other answers, and take longer: that is the caller’s to bound', async () => {
    routes['/'] = (_, response) => response.end(Buffer.alloc(2_000));
    const answer = await open(`${origin}/`, null, guard({ maxBytes: 10 }));
    expect(await text(answer.body)).toHaveLength(2_000);
  });

  test('a redirect is an answer like others', async () => {
    routes['/'] = redirect('/there');
    expect((await open(`${origin}/`)).status).toBe(302);
  });

  test('is refused where others are', async () => {
    expect((await refusal(open(`${origin}/`, null, guard({ allow: [] })))).code).toBe('forbidden_address');
    expect((await refusal(open('file:///etc/passwd'))).code).toBe('bad_url');
    const lost = open('http://gone.example/', null, guard({ lookup: () => Promise.resolve([]) }));
    expect((await refusal(lost)).code).toBe('unreachable');
  });

  test('ends with its signal', async () => {
    routes['/'] = (_, response) => response.write('half');
    const giving = new AbortController();
    const reason = new Error('enough');
    const answer = await guard().open(`${origin}/`, { method: 'GET', headers: {}, body: null }, giving.signal);
    giving.abort(reason);
    await expect(text(answer.body)).rejects.toBe(reason);
    await expect(guard().open(`${origin}/`, { method: 'GET', headers: {}, body: null }, giving.signal)).rejects.toBe(
      reason,
    );
  });

  test('headers that have no end are cut', async () => {
    routes['/'] = (_, response) => response.writeHead(200, { 'x-long': 'x'.repeat(20_000) }).end();
    expect((await refusal(open(`${origin}/`))).code).toBe('unreachable');
    expect((await refusal(guard().get(`${origin}/`, never))).code).toBe('unreachable');
  });
});

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308])('%d is followed, also to a relative address', async (status) => {
    routes['/a/b'] = redirect('../c?d#e', status);
    routes['/c?d'] = (_, response) => response.end('there');
    const answer = await guard().get(`${origin}/a/b`, never);
    expect(Buffer.from(answer.bytes).toString()).toBe('there');
    expect(answer.url).toBe(`${origin}/c?d#e`);
  });

  test('as many as are allowed, and no more', async () => {
    const seen: string[] = [];
    for (const step of [0, 1, 2, 3]) {
      routes[`/${step}`] = (request, response) => {
        seen.push(`${step}`);
        redirect(`/${step + 1}`)(request, response);
      };
    }
    routes['/4'] = (_, response) => response.end('there');
    expect((await guard({ maxRedirects: 4 }).get(`${origin}/0`, never)).status).toBe(200);
    seen.length = 0;
    expect((await refusal(guard({ maxRedirects: 2 }).get(`${origin}/0`, never))).code).toBe('too_many_redirects');
    expect(seen).toEqual(['0', '1', '2']);
  });

  test('without an address to go to are answers', async () => {
    routes['/'] = (_, response) => response.writeHead(302).end('nowhere');
    expect((await guard().get(`${origin}/`, never)).status).toBe(302);
  });

  test.each([
    ['http://169.254.169.254/latest/meta-data/', 'forbidden_address'],
    ['http://[::1]:9/', 'forbidden_address'],
    ['//10.0.0.1/', 'forbidden_address'],
    ['http://0xa000001/', 'forbidden_address'],
    ['file:///etc/passwd', 'bad_url'],
    ['http://user:password@example.com/', 'bad_url'],
    ['http://', 'bad_url'],
  ])('to %s are refused', async (location, code) => {
    routes['/'] = redirect(location);
    expect((await refusal(guard().get(`${origin}/`, never))).code).toBe(code);
  });

  test('are read no further than their head', async () => {
    routes['/'] = (_, response) => {
      response.writeHead(302, { location: '/there' });
      response.write('this body has no end');
    };
    routes['/there'] = (_, response) => response.end('there');
    expect((await guard().get(`${origin}/`, never)).status).toBe(200);
  });
});

describe('a name that changes its address', () => {
  test('is refused when it is connected to, not when it was looked at before', async () => {
    const hosts: string[] = [];
    routes['/'] = (request, response) => {
      hosts.push(String(request.headers.host));
      redirect('/again')(request, response);
    };
    routes['/again'] = (request, response) => response.end(String(hosts.push(String(request.headers.host))));
    const answers = [[{ address: '127.0.0.1', family: 4 }], [{ address: '127.0.0.2', family: 4 }]];
    const guarded = guard({ allow: ['127.0.0.1'], lookup: () => Promise.resolve(answers.shift() ?? []) });
    expect((await refusal(guarded.get(`${named('rebind.example')}/`, never))).code).toBe('forbidden_address');
    expect(hosts).toHaveLength(1);
    expect(answers).toEqual([]);
  });

  test('is looked up once for a connection, which goes to what was checked', async () => {
    routes['/'] = (_, response) => response.end('ok');
    let lookups = 0;
    const lookup = () => {
      lookups += 1;
      return Promise.resolve(lookups === 1 ? LOOPBACK : [{ address: '169.254.169.254', family: 4 }]);
    };
    expect((await guard({ lookup }).get(`${named('rebind.example')}/`, never)).status).toBe(200);
    expect(lookups).toBe(1);
  });
});

describe('bounds', () => {
  test('a body of as many bytes as are allowed is taken, and one more is not', async () => {
    routes['/announced'] = (_, response) => response.end(Buffer.alloc(1000));
    routes['/chunked'] = (_, response) => {
      response.write(Buffer.alloc(500));
      response.end(Buffer.alloc(500));
    };
    for (const path of ['/announced', '/chunked']) {
      expect((await guard({ maxBytes: 1000 }).get(origin + path, never)).bytes.byteLength).toBe(1000);
      expect((await refusal(guard({ maxBytes: 999 }).get(origin + path, never))).code).toBe('too_large');
    }
  });

  test('a body without an end is cut, and so is its connection', async () => {
    let left: Promise<unknown> | undefined;
    routes['/'] = (_, response) => {
      left = once(response, 'close');
      const more = () => {
        while (response.write(Buffer.alloc(16_384)));
      };
      response.on('drain', more);
      more();
    };
    expect((await refusal(guard().get(`${origin}/`, never))).code).toBe('too_large');
    await left;
  });

  test('a length that is announced is believed before the body comes', async () => {
    routes['/'] = (_, response) => {
      response.writeHead(200, { 'content-length': '100001' });
      response.flushHeaders();
    };
    expect((await refusal(guard().get(`${origin}/`, never))).code).toBe('too_large');
  });

  test('time runs out before the head', async () => {
    routes['/'] = () => undefined;
    expect((await refusal(guard({ totalMs: 50 }).get(`${origin}/`, never))).code).toBe('timeout');
  });

  test('time runs out within the body, however often bytes come', async () => {
    routes['/'] = (_, response) => {
      response.write('x');
      const timer = setInterval(() => response.write('x'), 5);
      response.on('close', () => clearInterval(timer));
    };
    expect((await refusal(guard({ totalMs: 100 }).get(`${origin}/`, never))).code).toBe('timeout');
  });

  test('time runs out in a circle of redirects', async () => {
    routes['/'] = redirect('/');
    const guarded = guard({ totalMs: 100, maxRedirects: Number.POSITIVE_INFINITY });
    expect((await refusal(guarded.get(`${origin}/`, never))).code).toBe('timeout');
  });

  test('a connection takes too long', async () => {
    const guarded = guard({ connectMs: 50, lookup: () => new Promise(() => undefined) });
    expect((await refusal(guarded.get('http://slow.example/', never))).code).toBe('timeout');
  });
});

describe('no answer', () => {
  test.each([
    ['a name without an address', () => Promise.resolve([])],
    ['a name that cannot be looked up', () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' }))],
  ])('%s', async (_, lookup) => {
    expect((await refusal(guard({ lookup }).get('http://gone.example/', never))).code).toBe('unreachable');
  });

  test('nobody listens', async () => {
    const gone = createTcpServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    expect((await refusal(guard().get(`http://127.0.0.1:${port}/`, never))).code).toBe('unreachable');
  });

  test.each(['http', 'https'])('who listens does not speak %s', async (protocol) => {
    const other = createTcpServer((socket) => {
      // The client hangs up on it, which may reach a socket as an error.
      socket.on('error', () => undefined).resume();
      socket.end('SSH-2.0-OpenSSH\r\n');
    }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    expect((await refusal(guard().get(`${protocol}://127.0.0.1:${port}/`, never))).code).toBe('unreachable');
    await new Promise((resolve) => other.close(resolve));
  });

  test('the body breaks off', async () => {
    routes['/'] = (_, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('half', () => response.destroy());
    };
    expect((await refusal(guard().get(`${origin}/`, never))).code).toBe('unreachable');
  });

  test('the caller has given up: its own reason comes back', async () => {
    const reason = new Error('enough');
    await expect(guard().get(`${origin}/`, AbortSignal.abort(reason))).rejects.toBe(reason);
    const caller = new AbortController();
    routes['/'] = () => caller.abort(reason);
    await expect(guard().get(`${origin}/`, caller.signal)).rejects.toBe(reason);
  });
});
