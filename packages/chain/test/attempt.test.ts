import { describe, expect, test } from 'vitest';
import { attemptOf, isOfLaterMessage, messageOf, nextMessageAttempt } from '../src/attempt.ts';

describe('attempts', () => {
  test.each([
    [1, 1, 1],
    [1, 10, 10],
    [101, 1, 101],
    [101, 3, 103],
    [1, 1000, 100],
  ])('a message that begins with %i, delivered for the %i. time: %i', (first, delivery, attempt) => {
    expect(attemptOf(first, delivery)).toBe(attempt);
  });

  test.each([
    [1, 101],
    [9, 101],
    [99, 101],
    [101, 201],
    [110, 201],
  ])('after attempt %i the next message begins with %i', (attempt, next) => {
    expect(nextMessageAttempt(attempt)).toBe(next);
  });

  test.each([
    [1, 1],
    [100, 1],
    [101, 2],
    [503, 6],
  ])('attempt %i is of the message %i', (attempt, message) => {
    expect(messageOf(attempt)).toBe(message);
  });

  test.each([
    [101, 1, true],
    [101, 100, true],
    [2, 1, false],
    [100, 1, false],
    [1, 101, false],
    [103, 101, false],
  ])('%i is of a later message than %i: %s', (attempt, own, later) => {
    expect(isOfLaterMessage(attempt, own)).toBe(later);
  });
});
