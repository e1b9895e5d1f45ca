/** What a gateway does to the items of a request before it hands them on: files are read, compactions are checked. */
import { decodeFileData, textOfFile, UnreadableFile } from '@tailrace/file-text';
import { GuardedFetchError } from '@tailrace/guarded-fetch';
import { ApiError, type InputContent, type InputFile, type InputItem } from '@tailrace/protocol';
import { openCompaction, UnsealError } from '@tailrace/registry';
import type { GatewayContext } from './context.ts';

/**
 * The items with the text of every file in them. `list` is what the request calls them.
 * @throws ApiError `file_unreadable`, `compaction_unreadable`, with `param`.
 */
export async function readItems(
  context: Pick<GatewayContext, 'files' | 'sealer'>,
  owner: string,
  items: readonly InputItem[],
  list: 'input' | 'items' = 'input',
): Promise<InputItem[]> {
  return Promise.all(
    items.map(async (item, index): Promise<InputItem> => {
      const param = `${list}[${index}]`;
      switch (item.type) {
        case 'message':
          if (typeof item.content === 'string') return item;
          return { ...item, content: await readParts(context, item.content, `${param}.content`) };
        case 'function_call_output':
          if (typeof item.output === 'string') return item;
          return { ...item, output: (await readParts(context, item.output, `${param}.output`)) as typeof item.output };
        case 'compaction':
          checkCompaction(context, owner, item.encrypted_content, `${param}.encrypted_content`);
          return item;
        case 'function_call':
        case 'reasoning':
        case 'mcp_list_tools':
        case 'mcp_call':
        case 'mcp_approval_request':
        case 'mcp_approval_response':
        case 'item_reference':
          return item;
      }
    }),
  );
}

function readParts(
  context: Pick<GatewayContext, 'files'>,
  parts: readonly InputContent[],
  param: string,
): Promise<InputContent[]> {
  return Promise.all(
    parts.map(async (part, index) => {
      return part.type === 'input_file' ? readFile(context, part, `${param}[${index}]`) : part;
    }),
  );
}

async function readFile({ files }: Pick<GatewayContext, 'files'>, part: InputFile, param: string): Promise<InputFile> {
  const filename = part.filename ?? 'file';
  const given = [part.file_data, part.file_url].filter((source) => source !== null && source !== undefined);
  if (given.length !== 1) {
    const detail = { param, reason: 'exactly one of file_data and file_url is needed' };
    throw new ApiError('invalid_value', detail, { param });
  }
  try {
    const { bytes, mediaType } = part.file_data
      ? decodeFileData(part.file_data)
      : await download(files, part.file_url ?? '');
    const { text } = await textOfFile({ bytes, filename: part.filename ?? null, mediaType });
    return { ...part, text };
  } catch (error) {
    if (error instanceof UnreadableFile || error instanceof GuardedFetchError) {
      const reason = error instanceof UnreadableFile ? error.reason : error.code;
      throw new ApiError('file_unreadable', { filename, reason: reason.replaceAll('_', ' ') }, { param, cause: error });
    }
    throw error;
  }
}

async function download(
  files: GatewayContext['files'],
  url: string,
): Promise<{ bytes: Uint8Array; mediaType: string | null }> {
  const { bytes, headers, status } = await files.get(url, AbortSignal.any([]));
  if (status !== 200) throw new GuardedFetchError('unreachable', `the server answered ${status}`);
  return { bytes, mediaType: headers['content-type']?.split(';')[0] ?? null };
}

function checkCompaction(
  { sealer }: Pick<GatewayContext, 'sealer'>,
  owner: string,
  encrypted: string,
  param: string,
): void {
  try {
    openCompaction(sealer, owner, encrypted);
  } catch (error) {
    if (error instanceof UnsealError) throw new ApiError('compaction_unreadable', {}, { param, cause: error });
    throw error;
  }
}
