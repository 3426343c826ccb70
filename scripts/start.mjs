/** `npm start`: install when needed, then serve. Arguments go to `atelier serve`. */
import { launchCli } from './setup.mjs';

await launchCli(['serve', ...process.argv.slice(2)]);
