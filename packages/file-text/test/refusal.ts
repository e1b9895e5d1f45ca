import { UnreadableFile, type UnreadableReason } from '../src/index.ts';

/** Why a file is refused; throws where it is not, and what else is thrown. */
export async function reasonOf(read: () => unknown): Promise<UnreadableReason> {
  try {
    await read();
  } catch (error) {
    if (error instanceof UnreadableFile) return error.reason;
    throw error;
  }
  throw new Error('the file was read');
}
