/** Atelier under measurement: the real server with a real key store, ledger and log; prints its port. */
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createAdminService } from '../src/admin/service.ts';
import { loadConfig } from '../src/config.ts';
import { systemClock } from '../src/core/system.ts';
import { openLog, startServer } from '../src/main.ts';
import { openDatabase } from '../src/stores/sql/database.ts';
import { createPlatformStore } from '../src/stores/sql/platform.ts';

const [, , configFile, home] = process.argv;
const config = loadConfig({ flags: { config: configFile, home } });
const database = await openDatabase(config.database);
const store = createPlatformStore(database, systemClock);
const admin = createAdminService({
  store,
  current: () => store.load(),
  clock: systemClock,
  defaultRegion: config.regions.default,
});
/** Of each kind one that is counted for every call and refuses none. */
const limits = { requestsPerMinute: 1e9, tokensPerMinute: 1e9, concurrentStreams: 1e6 };
writeFileSync(join(config.home, 'bench-key'), (await admin.createKey('bench', { name: 'bench', limits })).secret);
const adminKey = await admin.createKey('bench', { name: 'bench-admin', kind: 'admin' });
writeFileSync(join(config.home, 'bench-admin-key'), adminKey.secret);
await database.close();
const file = config.engine.weights;
const weightsOf = (path: string) => ({ file: path, name: basename(path, '.gguf') });
const weights = config.engine.enabled ? weightsOf(file) : undefined;
const localWeights = Object.fromEntries(config.localModels.map((model) => [model.name, weightsOf(model.weights)]));
// To a file, as a server's log goes: whoever measures must not have to read it.
const server = await startServer(config, { weights, localWeights, log: openLog(config.log.level, 2) });
await server.ready;
process.stdout.write(`listening ${server.port}\n`);
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
