/** `atelier bill` */
import type { BillRequest, BillView } from '../../admin/report-contract.ts';
import { billCsv } from '../../admin/report-csv.ts';
import type { AdminReports } from '../../admin/reports.ts';
import { type ConfigFlags, loadConfig } from '../../config.ts';
import { withReports } from '../local-database.ts';
import { pipe, say, table } from '../terminal.ts';

type BillFlags = ConfigFlags & { readonly month?: string; readonly json?: boolean; readonly csv?: boolean };

/** The bill of a month, as the vendor would have written it. */
export async function bill({ month, json, csv, ...flags }: BillFlags): Promise<void> {
  await withReports(loadConfig({ flags }), async ({ reports }) => {
    const request = month === undefined ? {} : { month };
    if (csv) return pipe(billCsv(reports, request));
    const view = await wholeBill(reports, request);
    if (json) say(JSON.stringify(view, null, 2));
    else if (view.items.length === 0) say(`Nothing was charged in ${view.month}.`);
    else say(billTable(view));
  });
}

/** All pages as one. */
async function wholeBill(reports: AdminReports, request: BillRequest): Promise<BillView> {
  let view = await reports.bill({ ...request, limit: 1000 });
  while (view.nextCursor !== null) {
    const next = await reports.bill({ ...request, limit: 1000, after: view.nextCursor });
    view = { ...next, items: [...view.items, ...next.items] };
  }
  return view;
}

function billTable({ items, totalYuan }: BillView): string {
  const rows = items.map(({ region, keyId, workspaceId, model, item, isFree, tokens, yuan }) => [
    region,
    keyId,
    workspaceId,
    model,
    item,
    isFree ? 'free' : '',
    String(tokens),
    yuan,
  ]);
  const total = ['all', '', '', '', '', '', '', totalYuan];
  return table(['region', 'key', 'workspace', 'model', 'item', '', 'tokens', 'yuan'], [...rows, total]);
}
