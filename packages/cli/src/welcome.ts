/** What a person needs to know about a stack that is ready. */
export interface Welcome {
  readonly gateways: readonly string[];
  readonly apiKey: string;
  readonly models: readonly string[];
  /** Where the data is, as people would write it. */
  readonly dataDir: string;
}

const QUESTION = 'What is the weather and the local time in Paris?';

/** The text printed when a stack is ready, a command to paste included. */
export function welcomeText({ gateways, apiKey, models, dataDir }: Welcome): string {
  const [first = ''] = gateways;
  const model = models.includes('demo') ? 'demo' : (models[0] ?? 'demo');
  const body = JSON.stringify({ model, input: QUESTION, stream: true });
  return `
Tailrace is ready.

  ${gateways.map((url, index) => `${index === 0 ? 'Base URL ' : '         '}  ${url}/v1`).join('\n  ')}
  API key    ${apiKey}
  Models     ${models.join(', ')}
  Logs       ${dataDir}/logs

Try it:

  curl -N ${first}/v1/responses \\
    -H 'Authorization: Bearer ${apiKey}' \\
    -H 'Content-Type: application/json' \\
    -d '${body}'

Ctrl-C stops everything.
`;
}
