/**
 * A thousand kills, by hand: `node test/ledger-kill/run.ts [--ledger N] [--server N] [postgres://…]`. With a Postgres its
 * database should be empty. The suite has a short version (`kill.test.ts`).
 */
import { parseArgs } from 'node:util';
import { killLedger, killServer, type Outcome } from './rounds.ts';

const { values, positionals } = parseArgs({
  options: { ledger: { type: 'string', default: '700' }, server: { type: 'string', default: '300' } },
  allowPositionals: true,
});
const [location] = positionals;
const onKill = (done: number): void => {
  if (done % 50 === 0) console.log(`${done} kills`);
};

let faults = 0;
function tell(what: string, outcome: Outcome): void {
  faults += outcome.faults.length;
  console.log(what, { ...outcome, faults: outcome.faults.slice(0, 20) });
}

if (values.ledger !== '0') tell('the ledger', await killLedger({ kills: Number(values.ledger), location, onKill }));
if (values.server !== '0') tell('the server', await killServer({ kills: Number(values.server), location, onKill }));
process.exitCode = faults > 0 ? 1 : 0;
