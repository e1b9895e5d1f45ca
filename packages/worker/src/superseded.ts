import type { StepId } from '@tailrace/protocol';

/** A step has been handed out once more, and that message carries it on: this one has nothing left to do. */
export class StepSuperseded extends Error {
  constructor(id: StepId) {
    super(`step ${id} is carried on by a later message`);
    this.name = 'StepSuperseded';
  }
}
