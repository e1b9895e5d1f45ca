import { deflateSync } from 'node:zlib';

/** A PDF with a page for each content stream; Flate-compressed where that is wanted. */
export function pdfOf(contents: readonly string[], { compressed = false } = {}): Uint8Array {
  const pageNumbers = contents.map((_, index) => 4 + 2 * index);
  const objects: Buffer[] = [
    Buffer.from('<< /Type /Catalog /Pages 2 0 R >>'),
    Buffer.from(
      `<< /Type /Pages /Count ${contents.length} /Kids [${pageNumbers.map((number) => `${number} 0 R`).join(' ')}] >>`,
    ),
    Buffer.from('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>'),
    ...contents.flatMap((content, index) => [
      Buffer.from(
        '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> ' +
          `/Contents ${5 + 2 * index} 0 R >>`,
      ),
      streamOf(compressed ? deflateSync(content) : Buffer.from(content), compressed ? '/Filter /FlateDecode' : ''),
    ]),
  ];
  const parts: Buffer[] = [Buffer.from('%PDF-1.4\n')];
  const offsets: number[] = [];
  for (const [index, object] of objects.entries()) {
    offsets.push(sizeOf(parts));
    parts.push(Buffer.from(`${index + 1} 0 obj\n`), object, Buffer.from('\nendobj\n'));
  }
  const entries = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const size = objects.length + 1;
  parts.push(
    Buffer.from(
      `xref\n0 ${size}\n0000000000 65535 f \n${entries}` +
        `trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${sizeOf(parts)}\n%%EOF\n`,
    ),
  );
  return Buffer.concat(parts);
}

/** A content stream that writes lines of text, one below the other. */
export function linesOf(...lines: string[]): string {
  return `BT /F1 12 Tf 72 720 Td ${lines.map((line) => `(${line}) Tj`).join(' 0 -14 Td ')} ET`;
}

function streamOf(data: Buffer, entries: string): Buffer {
  return Buffer.concat([
    Buffer.from(`<< /Length ${data.byteLength} ${entries} >>\nstream\n`),
    data,
    Buffer.from('\nendstream'),
  ]);
}

function sizeOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0);
}
