/** Atelier under measurement: the real server with a real key store, ledger and log; prints its port. */
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadConfig } from '../src/config.ts';
import { systemClock } from '../src/core/system.ts';
import { openLog, startServer } from '../src/main.ts';
import { openDatabase } from '../src/stores/sqlite/database.ts';
import { createKeyStore } from '../src/stores/sqlite/keys.ts';

const [, , configFile, home] = process.argv;
const config = loadConfig({ flags: { config: configFile, home } });
const database = await openDatabase(join(config.home, 'atelier.db'));
writeFileSync(join(config.home, 'bench-key'), createKeyStore(database, systemClock).create('bench').secret);
await database.close();
const file = config.engine.weights;
const weights = config.engine.enabled ? { file, name: basename(file, '.gguf') } : undefined;
// To a file, as a server's log goes: whoever measures must not have to read it.
const server = await startServer(config, { weights, log: openLog(config.log.level, 2) });
await server.ready;
process.stdout.write(`listening ${server.port}\n`);
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
