import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
// One Ctrl-C arrives here twice: from the terminal, and passed on by npm.
const ECHO_MS = 500;
const WATCH_MS = 500;

/**
 * Runs a program in a process group of its own, so that it gets each signal once, from here.
 *
 * @param {string} file
 * @param {string[]} args
 * @param {{ cwd: string, linked: boolean, echoMs?: number }} options `linked`: the program holds an IPC channel to this
 *   process and stops when it closes; `echoMs`: a signal that comes again so soon is the same one
 * @returns {Promise<number>} its exit status; 128 and the signal's number when a signal ended it
 */
export function run(file, args, { cwd, linked, echoMs = ECHO_MS }) {
  const stdio = linked ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit';
  const child = spawn(file, args, { cwd, stdio, detached: true });
  const seen = new Map();
  const handlers = SIGNALS.map((signal) => {
    const handler = () => {
      const at = performance.now();
      const isEcho = at - (seen.get(signal) ?? Number.NEGATIVE_INFINITY) < echoMs;
      seen.set(signal, at);
      if (!isEcho) child.kill(signal);
    };
    process.on(signal, handler);
    return [signal, handler];
  });
  const watch = watchNpm(() => {
    // A terminal's Ctrl-C may end npm before this; the program has been told then.
    if (seen.size === 0) child.kill('SIGTERM');
  });

  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const [name, handler] of handlers) process.off(name, handler);
      clearInterval(watch);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

/** Calls back once the npm that runs this has died, which no signal tells. */
function watchNpm(onDeath) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const shell = process.ppid;
  // npm runs a script in a shell; some shells give their process to the command, others stay in between.
  const npm = /^(ba|da|z|k|)sh$/.test(nameOf(shell)) ? parentOf(shell) : undefined;
  const watch = setInterval(() => {
    if (process.ppid === shell && (npm === undefined || parentOf(shell) === npm)) return;
    clearInterval(watch);
    onDeath();
  }, WATCH_MS);
  return watch;
}

function parentOf(pid) {
  if (process.platform !== 'linux') return Number(ps(pid, 'ppid'));
  const stat = readStat(pid);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function nameOf(pid) {
  if (process.platform !== 'linux') return ps(pid, 'comm').replace(/^.*\/|^-/g, '');
  const stat = readStat(pid);
  return stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
}

function readStat(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return '';
    throw error;
  }
}

function ps(pid, column) {
  return spawnSync('ps', ['-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() ?? '';
}
