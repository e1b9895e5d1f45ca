import { describe, expect, test } from 'vitest';
import type { ChatRequest } from '../src/chat-request.ts';
import { cityQuestions } from '../src/city-question.ts';
import { plainAnswer } from '../src/plain-answer.ts';
import { exchange, offered, question, requestOf } from './request.ts';

const both = { tools: offered('get_weather', 'get_time') };

function said(request: ChatRequest): string {
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
