import { describe, expect, test } from 'vitest';
import { cityQuestions } from '../src/city-question.ts';
import type { ModelRequest } from '../src/model-request.ts';
import { plainAnswer } from '../src/plain-answer.ts';
import { exchange, offered, question, requestOf } from './request.ts';

const both = { tools: offered('get_weather', 'get_time') };

function said(request: ModelRequest): string {
  return plainAnswer(request)
    .map((segment) => ('text' in segment ? segment.text : segment.kind))
    .join('');
}

describe('plainAnswer', () => {
  test.each([
    ["What's the weather in Paris?", 'weather Paris'],
    ['What time is it in New York?', 'time New York'],
    ['weather and time in Rio de Janeiro please', 'weather Rio de Janeiro, time Rio de Janeiro'],
    ["What's the weather in Paris and the time in Tokyo?", 'weather Paris, time Tokyo'],
    ["In Paris, what's the weather, and what time is it there?", 'weather Paris, time Paris'],
    ['weather in Paris, London and São Paulo', 'weather Paris, weather London, weather São Paulo'],
    ['Is it raining in St. Louis? Tell me.', 'weather St. Louis'],
    ['what is the temperature in paris', 'weather Paris'],
    ["Give me Paris's beauty", ''],
    ['What is the weather like?', ''],
    ['I was in Paris', ''],
  ])('%s', (text, expected) => {
    const asked = cityQuestions(text, ['get_weather', 'get_time']);
    expect(asked.map(({ tool, city }) => `${tool.replace('get_', '')} ${city}`).join(', ')).toBe(expected);
  });

  test('calls only the tools on offer, and one at a time where it is asked to', () => {
    const text = 'weather and time in Oslo';
    const weather = { kind: 'call', tool: 'get_weather', arguments: '{"city":"Oslo"}' };
    expect(plainAnswer(question(text, both))).toEqual([weather, { ...weather, tool: 'get_time' }]);
    expect(plainAnswer(question(text, { tools: offered('get_weather') }))).toEqual([weather]);
    expect(plainAnswer(question(text, { ...both, parallel_tool_calls: false }))).toEqual([weather]);
    expect(said(question(text))).toContain('UPSTREAM_BASE_URL');
  });

  test('asks by the argument that the tool has, and fills in what else it requires', () => {
    const tool = (parameters: object) => ({
      tools: [{ type: 'function', function: { name: 'get_weather', parameters } }],
    });
    const argumentsFor = (parameters: object) =>
      plainAnswer(question("What's the weather like in San Francisco?", tool(parameters))).map((segment) =>
        segment.kind === 'call' ? JSON.parse(segment.arguments) : segment.kind,
      );
    const text = { type: 'string' };
    const location = { type: 'object', properties: { location: text }, required: ['location'] };
    expect(argumentsFor(location)).toEqual([{ location: 'San Francisco' }]);
    const unit = { type: 'string', enum: ['c', 'f'] };
    expect(
      argumentsFor({
        type: 'object',
        properties: { unit, days: { type: 'integer' }, place: text },
        required: ['days', 'place'],
      }),
    ).toEqual([{ days: 0, place: 'San Francisco' }]);
    expect(argumentsFor({ type: 'object', properties: { town: text } })).toEqual([{ town: 'San Francisco' }]);
    expect(argumentsFor({ ...location, properties: { location: text, city: text } })).toEqual([
      { location: 'demo', city: 'San Francisco' },
    ]);

    const asked = { role: 'user', content: "What's the weather like in San Francisco?" };
    const call = { id: 'a', tool: 'get_weather', args: { location: 'San Francisco' }, output: 'fog' };
    expect(said(requestOf([asked, ...exchange(call)], tool(location)))).toBe('get_weather answered: fog.');
  });

  test('calls a tool where a call is asked for, until there are outputs', () => {
    const parameters = { type: 'object', properties: { n: { type: 'integer', minimum: 3 } }, required: ['n'] };
    const tools = [...offered('f'), { type: 'function', function: { name: 'g', parameters } }];
    const one = { tools, tool_choice: { type: 'function', function: { name: 'g' } } };
    expect(plainAnswer(question('hello', { tools, tool_choice: 'required' }))).toEqual([
      { kind: 'call', tool: 'f', arguments: '{}' },
    ]);
    expect(plainAnswer(question('hello', one))).toEqual([{ kind: 'call', tool: 'g', arguments: '{"n":3}' }]);
    const call = exchange({ id: 'a', tool: 'g', args: { n: 3 }, output: 'done' });
    expect(said(requestOf([{ role: 'user', content: 'hello' }, ...call], one))).toBe('g answered: done.');
    const weather = { tools: offered('f', 'get_weather'), tool_choice: 'required' };
    expect(plainAnswer(question('weather in Oslo', weather))).toMatchObject([{ tool: 'get_weather' }]);
  });

  test('answers in the format that is asked for', () => {
    const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
    const json_schema = { name: 'person', schema, strict: true };
    expect(said(question('who?', { response_format: { type: 'json_schema', json_schema } }))).toBe('{"name":"demo"}');
    expect(said(question('who?', { response_format: { type: 'json_object' } }))).toBe('{"answer": "demo"}');
    const endless = { ...json_schema, schema: { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] } };
    expect(said(question('who?', { response_format: { type: 'json_schema', json_schema: endless } }))).toBe(
      '{"answer": "demo"}',
    );
  });

  test('tells the facts once the outputs are there', () => {
    const weather = {
      id: 'a',
      tool: 'get_weather',
      args: { city: 'Oslo' },
      output: '{"city":"Oslo","temperature_c":4,"conditions":"rainy"}',
    };
    const time = {
      id: 'b',
      tool: 'get_time',
      args: { city: 'Oslo' },
      output: '{"city":"Oslo","local_time":"14:35"}',
    };
    const asked = { role: 'user', content: 'weather and time in Oslo' };
    expect(said(requestOf([asked, ...exchange(weather, time)], both))).toBe(
      'In Oslo it is 4 °C and rainy. The local time in Oslo is 14:35.',
    );
    expect(plainAnswer(requestOf([asked, ...exchange(weather)], both))).toMatchObject([{ tool: 'get_time' }]);
    const failed = { ...weather, output: 'upstream  failed' };
    expect(said(requestOf([asked, ...exchange(failed, time)], both))).toContain(
      'get_weather answered: upstream failed.',
    );
  });

  test.each([
    ['what is 12*7', '12*7 = 84.'],
    ['What is 2 + 3 * (4 - 1)?', '2 + 3 * (4 - 1) = 11.'],
    ['12 times 7', '12 * 7 = 84.'],
    ['how much is 10 divided by 4?', '10 / 4 = 2.5.'],
    ['0.1 + 0.2 =', '0.1 + 0.2 = 0.3.'],
    ['3 x 4', '3 * 4 = 12.'],
    ['1/0', '1/0 has no result: one cannot divide by zero.'],
  ])('%s', (text, expected) => {
    expect(said(question(text))).toBe(expected);
  });

  test.each(['what is (1 + 2', 'what is 1 + + 2', 'call 555-1234', 'what is 42?'])('%s is no sum', (text) => {
    expect(said(question(text))).toContain(`"${text}"`);
  });

  test('greets, and quotes what it cannot answer', () => {
    expect(said(question('Hello there!'))).toMatch(/^Hello!/);
    const answer = said(question('Who wrote Faust?'));
    for (const part of ['demo model', 'UPSTREAM_API_KEY', 'UPSTREAM_MODEL', '"Who wrote Faust?"']) {
      expect(answer).toContain(part);
    }
    expect(said(question('x'.repeat(5_000))).length).toBeLessThan(600);
  });
});
