import { extname } from 'node:path';

/** A file that a request carries. */
export interface SentFile {
  bytes: Uint8Array;
  filename: string | null;
  /** What its sender says it is. */
  mediaType: string | null;
}

/** How a file is read, and the media type of what it is. */
export interface FileType {
  kind: 'pdf' | 'text';
  mediaType: string;
}

const PDF = 'application/pdf';
/** A PDF may have something before its header, which is within this many bytes (PDF 1.7, appendix H, note 13). */
const PDF_HEADER_WITHIN = 1024;

const BY_EXTENSION: Record<string, readonly string[]> = {
  'application/json': ['json', 'ipynb', 'geojson'],
  'application/jsonl': ['jsonl', 'ndjson'],
  'application/xml': ['xml', 'xsl', 'xsd', 'svg', 'rss', 'atom'],
  'application/yaml': ['yaml', 'yml'],
  'application/toml': ['toml'],
  'application/sql': ['sql'],
  'text/csv': ['csv'],
  'text/tab-separated-values': ['tsv'],
  'text/markdown': ['md', 'markdown', 'mdx'],
  'text/html': ['html', 'htm', 'xhtml'],
  'text/css': ['css', 'scss', 'less'],
  'text/javascript': ['js', 'mjs', 'cjs', 'jsx'],
  'text/plain': [
    ...[
      'txt',
      'text',
      'log',
      'ini',
      'cfg',
      'conf',
      'env',
      'properties',
      'tex',
      'rst',
      'adoc',
      'srt',
      'vtt',
      'ics',
      'diff',
    ],
    ...[
      'patch',
      'ts',
      'mts',
      'cts',
      'tsx',
      'vue',
      'svelte',
      'py',
      'pyi',
      'rb',
      'rs',
      'go',
      'java',
      'kt',
      'kts',
      'scala',
    ],
    ...[
      'groovy',
      'c',
      'h',
      'cc',
      'cpp',
      'cxx',
      'hpp',
      'cs',
      'fs',
      'vb',
      'm',
      'mm',
      'swift',
      'dart',
      'php',
      'pl',
      'pm',
      'lua',
    ],
    ...[
      'r',
      'jl',
      'ex',
      'exs',
      'erl',
      'hs',
      'ml',
      'clj',
      'lisp',
      'el',
      'zig',
      'nim',
      'sol',
      'sh',
      'bash',
      'zsh',
      'fish',
    ],
    ...['ps1', 'bat', 'awk', 'asm', 's', 'proto', 'graphql', 'tf', 'gradle', 'cmake', 'mk', 'dockerfile', 'makefile'],
  ],
};

const EXTENSIONS = new Map(
  Object.entries(BY_EXTENSION).flatMap(([type, names]) => names.map((name) => [name, type] as const)),
);

const TEXT_APPLICATIONS = new Set([
  ...['application/json', 'application/json5', 'application/jsonl', 'application/x-ndjson', 'application/ndjson'],
  ...['application/xml', 'application/yaml', 'application/x-yaml', 'application/toml', 'application/csv'],
  ...['application/javascript', 'application/ecmascript', 'application/typescript', 'application/sql'],
  ...['application/graphql', 'application/x-sh', 'application/x-httpd-php', 'application/x-tex'],
]);

/**
 * What a file is: PDF if it begins like one or is said to be one, whatever else it is said to be; else text, if its media
 * type or its extension says so. Null for what is neither.
 */
export function fileType({ bytes, filename, mediaType }: SentFile): FileType | null {
  const extension = extensionOf(filename ?? '');
  const said = mediaType?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (startsLikePdf(bytes) || said === PDF || extension === 'pdf') return { kind: 'pdf', mediaType: PDF };
  if (isTextType(said)) return { kind: 'text', mediaType: said };
  const type = EXTENSIONS.get(extension);
  return type === undefined ? null : { kind: 'text', mediaType: type };
}

/** Files without an extension go by their names: `Dockerfile`. */
function extensionOf(filename: string): string {
  const name = filename.toLowerCase();
  return extname(name).slice(1) || name.replace(/^.*[\\/.]/s, '');
}

function isTextType(type: string): boolean {
  return type.startsWith('text/') || TEXT_APPLICATIONS.has(type) || /^[^/]+\/[^/]+\+(json|xml|yaml)$/.test(type);
}

function startsLikePdf(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, PDF_HEADER_WITHIN)).includes('%PDF-');
}
