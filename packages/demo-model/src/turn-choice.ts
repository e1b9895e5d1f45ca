import type { ModelRequest } from './model-request.ts';
import { outputsInBrief, plainAnswer } from './plain-answer.ts';
import { emptyTurn, parseScript, type Turn } from './script.ts';

/** The turn that answers a request, or what is wrong with its script. */
export type ChosenTurn = { ok: true; turn: Turn } | { ok: false; message: string };

/**
 * Picks the turn of the script that the request has come to. Past the end of the script, and in turns that name no
 * output, a short default text is said; without a script the question is answered.
 */
export function chooseTurn(request: ModelRequest): ChosenTurn {
  const script = parseScript(request.lastUserText);
  if (!script.ok) return script;
  if (script.turns === null) return { ok: true, turn: { ...emptyTurn(), segments: plainAnswer(request) } };
  const turn = script.turns[request.turnIndex] ?? emptyTurn();
  if (turn.segments.length > 0) return { ok: true, turn };
  const text = request.exchanges.length > 0 ? outputsInBrief(request.exchanges) : 'That is all.';
  return { ok: true, turn: { ...turn, segments: [{ kind: 'say', text, delayMs: 0 }] } };
}
