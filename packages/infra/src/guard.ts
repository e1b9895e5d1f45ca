/**
 * The process between a Tailrace process and a server it started. It holds an IPC channel to its parent and the server as
 * its child: when the channel closes, for whatever reason (`kill -9` included), it stops the server and ends. It leads a
 * session of its own, so a terminal's Ctrl-C reaches neither it nor the server.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { GuardCommand, GuardReport, StopStage } from './guard-protocol.ts';

let child: ChildProcess | undefined;
let stages: readonly StopStage[] = [];
let stopping = false;

process.on('message', (command: GuardCommand) => {
  if (command.do === 'run') run(command);
  else stop();
});
process.on('disconnect', stop);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);

function run(command: Extract<GuardCommand, { do: 'run' }>): void {
  stages = command.stages;
  child = spawn(command.file, command.args, {
    cwd: command.cwd,
    env: command.env,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...(command.user === undefined ? {} : { uid: command.user.uid, gid: command.user.gid }),
  });
  child.once('spawn', () => {
    if (child?.pid !== undefined) report({ is: 'running', pid: child.pid });
  });
  child.once('error', (error) => report({ is: 'failed', message: error.message }, () => process.exit(1)));
  child.once('exit', (code, signal) => report({ is: 'exited', code, signal }, end));
}

function stop(): void {
  if (stopping) return;
  stopping = true;
  if (child?.pid === undefined) process.exit(0);
  runStage(0);
}

function runStage(index: number): void {
  const stage = stages[index];
  child?.kill(stage?.signal ?? 'SIGKILL');
  if (stage !== undefined) setTimeout(() => runStage(index + 1), stage.waitMs);
}

function end(): void {
  // Whatever the command itself started in this session goes with it; the guard is in the same group.
  if (stopping) process.kill(-process.pid, 'SIGKILL');
  process.exit(0);
}

function report(message: GuardReport, then?: () => void): void {
  if (process.send === undefined || !process.connected) then?.();
  // A parent that has died meanwhile cannot be told; the callback runs either way.
  else process.send(message, undefined, undefined, () => then?.());
}
