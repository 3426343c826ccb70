/** `npm run check`: type-check, format and lint, without the tests. */
import { runChecks } from './checks.mjs';
import { ensureInstalled, findNode, main, SetupError } from './setup.mjs';

await main(async () => {
  const [command] = process.argv.slice(2);
  if (command !== 'check') throw new SetupError(`run.mjs knows check, not ${command ?? 'nothing'}. Fix: npm run check`);
  await ensureInstalled({ dev: true });
  return (await runChecks(findNode())) === 0 ? 0 : 1;
});
