/**
 * The numbers of attempts. A step may be handed out in several messages, when a sweep takes it up that somebody is at after
 * all; each message begins a hundred of its own, and its deliveries count on from there. So a later number is a later
 * attempt, and a number of a later hundred is one of another message.
 */
const PER_MESSAGE = 100;

/** The attempt that a delivery is: `first` is the message's, `delivery` counts from 1. */
export function attemptOf(first: number, delivery: number): number {
  return first + Math.min(delivery, PER_MESSAGE) - 1;
}

/** The first attempt of the next message for a step whose last known attempt is this. */
export function nextMessageAttempt(attempt: number): number {
  return messageOf(attempt) * PER_MESSAGE + 1;
}

/** Which of a step's messages an attempt belongs to: 1 for the first. */
export function messageOf(attempt: number): number {
  return Math.floor((attempt - 1) / PER_MESSAGE) + 1;
}

/** Whether `attempt` belongs to a message that was made after that of `own`: then that one is to be forgotten. */
export function isOfLaterMessage(attempt: number, own: number): boolean {
  return messageOf(attempt) > messageOf(own);
}
