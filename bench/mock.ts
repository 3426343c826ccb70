/** The mock upstream in a process of its own. */
import { startMockUpstream } from '../test/support/mock-upstream.ts';

const mock = await startMockUpstream();
process.stdout.write(`listening ${new URL(mock.url).port}\n`);
process.on('SIGTERM', () => process.exit(0));
