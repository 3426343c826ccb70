/**
 * A whole server, to be killed: it answers from the script, at the prices of the catalogue. Prints its port.
 *
 * Arguments: home folder, location of the database.
 */
import { loadConfig } from '../../src/config.ts';
import { startServer } from '../../src/main.ts';
import { silentLog } from '../support/context.ts';
import { SERVER_SETTINGS } from './server-settings.ts';

const [, , home = '', location = ''] = process.argv;
const config = loadConfig({ flags: { home, port: 0, database: location }, env: SERVER_SETTINGS, cwd: home });
const server = await startServer(config, { log: silentLog });
process.stdout.write(`ready ${server.port}\n`);
