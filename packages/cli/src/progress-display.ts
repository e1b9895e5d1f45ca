import ora from 'ora';
import type { Progress } from './stack-options.ts';

/** Shows people how a start gets on. */
export interface ProgressDisplay {
  show(progress: Progress): void;
  /** Prints a line without disturbing the display. */
  line(text: string): void;
  /** Ends the display; lines can still be printed. */
  end(): void;
}

/** On a terminal a spinner with what is being started, above it what is ready; elsewhere plain lines. */
export function progressDisplay(stream: NodeJS.WriteStream, title: string): ProgressDisplay {
  // A terminal without a size, as some programs make them, has no lines to draw over.
  return stream.isTTY && stream.columns > 0 ? terminalDisplay(stream, title) : plainDisplay(stream);
}

function plainDisplay(stream: NodeJS.WriteStream): ProgressDisplay {
  const line = (text: string) => void stream.write(`${text}\n`);
  return {
    line,
    show: (progress) => {
      if (progress.state === 'ready') line(`✔ ${describe(progress)}`);
    },
    end: () => undefined,
  };
}

function terminalDisplay(stream: NodeJS.WriteStream, title: string): ProgressDisplay {
  // Ora would take Ctrl-C for itself when it reads the keyboard, and hide the cursor from whoever ends it rudely.
  const spinner = ora({ stream, text: title, discardStdin: false, hideCursor: false }).start();
  const pending = new Set<string>();
  const print = (symbol: string, text: string) => {
    if (!spinner.isSpinning) stream.write(`${symbol}${symbol === '' ? '' : ' '}${text}\n`);
    else
      spinner
        .stopAndPersist({ symbol, text })
        .start(pending.size === 0 ? title : `${title}: ${[...pending].join(', ')}`);
  };
  return {
    line: (text) => print('', text),
    show: (progress) => {
      if (progress.state === 'ready') {
        pending.delete(progress.name);
        print('✔', describe(progress));
      } else {
        pending.add(progress.name);
        spinner.text = `${title}: ${[...pending].join(', ')}`;
      }
    },
    end: () => spinner.stop(),
  };
}

function describe({ name, detail }: Progress): string {
  return detail === undefined ? name : `${name}  ${detail}`;
}
