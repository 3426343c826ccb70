/** `npm run bench`: install when needed, then measure. Arguments go to `bench/main.ts`. */
import path from 'node:path';
import { ensureInstalled, findNode, main, ROOT, runNode } from './setup.mjs';

await main(async () => {
  await ensureInstalled({ dev: true });
  return runNode(findNode(), [path.join(ROOT, 'bench', 'main.ts'), ...process.argv.slice(2)]);
});
