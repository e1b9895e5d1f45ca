/** Exits with 0 when this container's process answers HEALTH_PATH with success. A migration serves nothing to ask. */
const { SERVICE, PORT = '8080', HEALTH_PATH = '/healthz' } = process.env;

if (SERVICE !== 'migrate') {
  const url = `http://127.0.0.1:${PORT}${HEALTH_PATH}`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_500) });
    console.log(answer.status, await answer.text());
    process.exit(answer.ok ? 0 : 1);
  } catch (error) {
    console.log(`${url}: ${error.cause?.message ?? error.message}`);
    process.exit(1);
  }
}
