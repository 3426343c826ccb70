/** `atelier requests [RECEIPT]` */
import type { RequestDetailsView, RequestsRequest, RequestView } from '../../admin/report-contract.ts';
import { requestsCsv } from '../../admin/report-csv.ts';
import { type ConfigFlags, loadConfig } from '../../config.ts';
import { withReports } from '../local-database.ts';
import { type FilterFlags, filtersOf } from '../report-filters.ts';
import { pipe, say, styled, table } from '../terminal.ts';

type RequestsFlags = ConfigFlags &
  FilterFlags & {
    readonly limit: string;
    readonly ending?: string;
    readonly json?: boolean;
    readonly csv?: boolean;
  };

/** The newest calls, or everything that is known of one. */
export async function requests(receiptId: string | undefined, flags: RequestsFlags): Promise<void> {
  await withReports(loadConfig({ flags }), async ({ reports, service }) => {
    if (receiptId !== undefined) {
      const request = await reports.request(receiptId);
      say(flags.json ? JSON.stringify(request, null, 2) : detailsText(request));
      return;
    }
    const { ending } = flags;
    const filters = await filtersOf(service, flags, Date.now());
    // The reports say which endings there are.
    const request = { ...filters, ...(ending === undefined ? {} : { ending: ending as RequestsRequest['ending'] }) };
    if (flags.csv) return pipe(requestsCsv(reports, request));
    const { items } = await reports.requests({ ...request, limit: flags.limit });
    if (flags.json) say(JSON.stringify(items, null, 2));
    else if (items.length === 0) say('No such calls.');
    else say(requestsTable(items));
  });
}

export function requestsTable(items: readonly RequestView[]): string {
  return table(
    ['began', 'receipt', 'key', 'model', 'by', 'ms', 'input', 'output', 'yuan', 'ended'],
    items.map((each) => [
      second(each.startedAtMs),
      each.receiptId,
      each.keyName ?? each.keyId,
      each.model,
      each.protocol,
      String(Math.round(each.totalMs)),
      String(each.inputTokens),
      String(each.outputTokens),
      each.chargeYuan,
      endingOf(each),
    ]),
  );
}

function detailsText(request: RequestDetailsView): string {
  const { lines, body, usage, ...shown } = request;
  const facts = [
    ['receipt', shown.receiptId],
    ['request', shown.requestId],
    ['began', second(shown.startedAtMs)],
    ['took', `${Math.round(shown.totalMs)} ms`],
    ['first token', shown.firstTokenMs === null ? 'none' : `after ${Math.round(shown.firstTokenMs)} ms`],
    ['key', shown.keyName === null ? shown.keyId : `${shown.keyName} (${shown.keyId})`],
    ['workspace', shown.workspaceId],
    ['region', shown.region],
    ['by', `${shown.protocol}${shown.priority === 'batch' ? ', in a batch' : ''}`],
    ['model', `${shown.model}, answered by ${shown.servedBy || 'nobody'}`],
    ['input', inputOf(usage.input)],
    ['output', `${usage.output.total} tokens, ${usage.output.reasoning} of them reasoning`],
    ['charge', `${shown.chargeYuan} yuan`],
    ...lines.map(({ item, tokens, yuan, isFree }) => ['', `${item}: ${tokens} tokens, ${isFree ? 'free' : yuan}`]),
    ['ended', endingOf(shown)],
  ];
  const text = facts.map(([name = '', fact]) => `${styled('dim', name.padEnd(12))} ${fact}`).join('\n');
  if (!body) return text;
  const part = (name: string, value: unknown) => `\n\n${styled('dim', name)}\n${JSON.stringify(value, null, 2)}`;
  return text + part('asked', body.request) + part('answered', body.reply);
}

function inputOf({ total, cachedRead, cacheWritten }: RequestDetailsView['usage']['input']): string {
  const written = cacheWritten > 0 ? `, ${cacheWritten} written into it` : '';
  return `${total} tokens, ${cachedRead} from the cache${written}`;
}

function endingOf({ ending, errorCode }: Pick<RequestView, 'ending' | 'errorCode'>): string {
  return errorCode === null ? ending : `${ending}: ${errorCode}`;
}

function second(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
}
