import { startDemoModel } from './server.ts';

const port = Number(process.env.PORT ?? 9100);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`PORT must be an integer from 0 to 65535, not "${process.env.PORT}".`);
  process.exit(1);
}

const model = await startDemoModel({ host: process.env.HOST ?? '127.0.0.1', port }).catch((error: Error) => {
  console.error(`The demo model cannot listen: ${error.message}`);
  process.exit(1);
});

const stop = () => void model.close().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
if (process.channel) process.once('disconnect', stop);
console.log(JSON.stringify({ listening: model.url }));
