import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestStack } from './stack.ts';

/** The lines that the stack's processes have logged and that contain `text`. */
export async function logged(stack: TestStack, text: string): Promise<string[]> {
  const folder = join(stack.dataDir, 'logs');
  const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
  return files.flatMap((file) => file.split('\n').filter((line) => line.includes(text)));
}
